import { isDeepStrictEqual } from "node:util";
import { Ec2Error } from "../wire/errors.ts";
import type { Rules } from "./rules.ts";

interface Entry {
  readonly parameters: unknown;
  readonly result: unknown;
}

/** What each client token brought. Only requests that were done are kept: a refused one may be made again. */
export class Tokens {
  readonly #done = new Map<string, Entry>();
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  /**
   * Returns what the token has brought, or does the work for it. Throws IdempotentParameterMismatch when it was used
   * with other parameters. Synchronous, so that two requests at once cannot both do the work.
   */
  once<T>(action: string, token: string | undefined, parameters: object, work: () => T): T {
    if (token === undefined || token === "" || !this.#rules.tokens) return work();
    if (!/^[\x20-\x7e]{1,64}$/.test(token)) {
      throw new Ec2Error(
        "InvalidParameterValue",
        "Value for parameter clientToken is invalid. It has up to 64 ASCII characters.",
      );
    }
    const key = `${action} ${token}`;
    const found = this.#done.get(key);
    if (found) {
      if (this.#rules.tokenParameters && !isDeepStrictEqual(found.parameters, parameters)) {
        throw new Ec2Error(
          "IdempotentParameterMismatch",
          "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        );
      }
      return found.result as T;
    }
    const result = work();
    this.#done.set(key, { parameters, result });
    return result;
  }
}
