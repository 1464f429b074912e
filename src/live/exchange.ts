/** All live references of one connection, by the calls that they belong to. */
import { place } from "../context.ts";
import type { LiveMessage } from "../wire/live-messages.ts";
import { Scope, type ScopeHost } from "./scope.ts";
import { released } from "./failures.ts";

/** What is alive on one side: to be nothing when nothing runs. */
export interface LiveCounts {
  readonly scopes: number;
  readonly lent: number;
  readonly borrowed: number;
  readonly asked: number;
}

export interface ExchangeHost extends Pick<ScopeHost, "send" | "encodeFailure"> {}

export class Exchange {
  readonly #scopes = new Map<number, Scope>();
  readonly #host: ExchangeHost;

  constructor(host: ExchangeHost) {
    this.#host = host;
  }

  get(call: number): Scope | undefined {
    return this.#scopes.get(call);
  }

  open(call: number, host: ScopeHost): Scope {
    const scope = new Scope(call, host);
    this.#scopes.set(call, scope);
    place.exchanges.add(this);
    return scope;
  }

  receive(message: LiveMessage): void {
    const scope = this.#scopes.get(message.id);
    if (scope) return scope.receive(message);
    // Its call has ended here while this was on its way. Only who waits for an answer needs one.
    if (message.type !== "ref-call") return;
    const value = this.#host.encodeFailure(released());
    this.#host.send({ type: "ref-result", id: message.id, number: message.number, failed: true, value });
  }

  /** Nothing of that call is needed any more. Resolves when what was lent has cleaned up. */
  end(call: number, error?: Error, again?: boolean): Promise<void> | undefined {
    const scope = this.#scopes.get(call);
    if (!scope) return undefined;
    this.#scopes.delete(call);
    if (this.#scopes.size === 0) place.exchanges.delete(this);
    return scope.end(error, again);
  }

  counts(): LiveCounts {
    const scopes = [...this.#scopes.values()];
    const sum = (of: (scope: Scope) => number): number => scopes.reduce((total, scope) => total + of(scope), 0);
    return {
      scopes: scopes.length,
      lent: sum(({ lent }) => lent),
      borrowed: sum(({ borrowed }) => borrowed),
      asked: sum(({ asked }) => asked),
    };
  }
}
