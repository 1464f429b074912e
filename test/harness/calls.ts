import type { ChildProcess } from "node:child_process";

type Call = { readonly call: number; readonly name: string; readonly args: readonly unknown[] };
type Answer = { readonly answer: number; readonly result?: unknown; readonly error?: string };
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
    if (this.#closed !== undefined) throw new Error(`Cannot call ${name}: ${this.#closed}`);
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

/** The functions of a child that was forked with `serialization: "advanced"`; they fail once it has ended. `what` names it in errors. */
export function callsTo<T>(
  child: ChildProcess,
  what: string,
): { readonly remote: Remote<T>; readonly exited: Promise<void> } {
  const channel = new Channel((message) => void child.send(message, (error) => error && channel.close(gone)), {});
  const gone = `${what} is gone, the process has ended`;
  child.on("message", (message) => void channel.take(message as object));
  const exited = new Promise<void>((resolve) =>
    child.once("exit", () => {
      channel.close(gone);
      resolve();
    }),
  );
  return { remote: channel.remote<T>(), exited };
}

/** In the child: serves until the parent is gone, then calls `parted`. */
export function serveParent<T>(served: Served<T>, parted: () => void): void {
  // A parent that is gone wants no answer.
  const channel = new Channel((message) => void process.send?.(message, () => undefined), served as object);
  process.on("message", (message: object) => void channel.take(message));
  process.on("disconnect", parted);
}
