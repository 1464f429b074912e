import type { Answer, Call } from "./protocol.ts";

type Functions = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

/** The functions of `T` as the other side calls them. */
export type Remote<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

/** The functions of `T` as this side serves them. */
export type Served<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Result | Promise<Result>
    : never;
};

const callMs = 60_000;

/** Calls both ways over one IPC channel. Every call ends: with its answer, at its deadline or when the channel closes. */
export class Channel {
  readonly #send: (message: Call | Answer) => void;
  readonly #served: object;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #calls = 0;
  #closed: string | undefined;

  constructor(send: (message: Call | Answer) => void, served: object) {
    this.#send = send;
    this.#served = served;
  }

  /** The functions of the other side. */
  remote<T>(): Remote<T> {
    const call =
      (name: string | symbol) =>
      (...args: unknown[]) =>
        this.#call(String(name), args);
    return new Proxy({}, { get: (_, name) => call(name) }) as Remote<T>;
  }

  /** Takes a message from the channel. False when it is neither a call nor an answer. */
  take(message: object): boolean {
    if ("answer" in message) {
      const answer = message as Answer;
      this.#waiting.get(answer.answer)?.(answer);
      return true;
    }
    if (!("call" in message)) return false;
    void this.#serve(message as Call);
    return true;
  }

  /** Fails all calls that wait, and all later ones. */
  close(reason: string): void {
    this.#closed ??= reason;
    for (const [answer, settle] of this.#waiting) settle({ answer, error: reason });
  }

  async #serve({ call, name, args }: Call): Promise<void> {
    try {
      const serve = (this.#served as Functions)[name];
      if (!serve) throw new Error(`Cannot call ${name}: it is unknown`);
      this.#send({ answer: call, result: await serve(...args) });
    } catch (error) {
      this.#send({ answer: call, error: error instanceof Error ? error.message : String(error) });
    }
  }

  async #call(name: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#closed !== undefined) throw new Error(`Cannot ${name}: ${this.#closed}`);
    const call = this.#calls++;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const deadline = setTimeout(() => resolve({ answer: call, error: `no answer within ${callMs} ms` }), callMs);
    this.#waiting.set(call, resolve);
    try {
      this.#send({ call, name, args });
      const { error, result } = await promise;
      if (error !== undefined) throw new Error(error);
      return result;
    } finally {
      clearTimeout(deadline);
      this.#waiting.delete(call);
    }
  }
}
