import { randomBytes } from "node:crypto";
import type { Credentials } from "../../../s3/authenticate.ts";

export interface PrincipalOptions {
  /** What it may do, as policies name it: `ec2:RunInstances`, `ec2:Describe*`, `iam:PassRole`. @default everything */
  readonly actions?: readonly string[];
  /** Makes the credentials temporary, of a role of that name. @default false */
  readonly session?: boolean;
  /** Milliseconds until they expire, by the endpoint's clock. */
  readonly expiresInMs?: number;
}

/** Who may ask for what. */
export interface Principal {
  readonly name: string;
  readonly arn: string;
  may(action: string): boolean;
}

const escaped = (text: string) => text.replace(/[\\^$.+()[\]{}|]/g, "\\$&");

/** Whether a policy's action, with `*` and `?` in it, names an action. As in policies, case does not matter. */
function names(pattern: string, action: string): boolean {
  const text = escaped(pattern.includes(":") || pattern === "*" ? pattern : `ec2:${pattern}`);
  return new RegExp(`^${text.replaceAll("*", ".*").replaceAll("?", ".")}$`, "i").test(action);
}

/** Everybody who has credentials. */
export class Principals {
  readonly keys = new Map<string, Credentials>();
  readonly #byKey = new Map<string, Principal>();
  readonly #accountId: string;
  readonly #now: () => number;

  constructor(accountId: string, now: () => number) {
    this.#accountId = accountId;
    this.#now = now;
  }

  add(name: string, { actions = ["*"], session = false, expiresInMs }: PrincipalOptions = {}): Credentials {
    const made: Credentials = {
      accessKeyId: `${session ? "ASIA" : "AKIA"}${randomBytes(8).toString("hex").toUpperCase()}`,
      secretAccessKey: randomBytes(20).toString("hex"),
      ...(session ? { sessionToken: randomBytes(60).toString("base64") } : {}),
      ...(expiresInMs === undefined ? {} : { expiration: new Date(this.#now() + expiresInMs) }),
    };
    const kind = session
      ? `sts::${this.#accountId}:assumed-role/${name}/bench`
      : `iam::${this.#accountId}:user/${name}`;
    this.keys.set(made.accessKeyId, made);
    this.#byKey.set(made.accessKeyId, {
      name,
      arn: `arn:aws:${kind}`,
      may: (action) => actions.some((pattern) => names(pattern, action)),
    });
    return made;
  }

  of(accessKeyId: string): Principal | undefined {
    return this.#byKey.get(accessKeyId);
  }
}
