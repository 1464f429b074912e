/** A machine that the parent goes to: the same machine and the same words, over links that the parent dials. */
import type { Admission, DialOptions } from "../ports/gate.ts";
import { Dialler, type Identity } from "./gate-dialler.ts";
import { Visitor } from "./gate-visitor.ts";
import type { Said } from "./gate-words.ts";
import type { Resumable } from "./resumable.ts";
import { newStream } from "./tls-greeting.ts";

export interface ReachOptions extends DialOptions {
  readonly address: string;
  readonly ticket: Uint8Array;
  readonly guardIdleMs: number;
  /** How many data connections it may ask for. */
  readonly mostStreams: number;
  enrol(said: Said): Promise<Admission | undefined>;
  /** It is gone. */
  over(visitor: Visitor): void;
}

const defaultWithinMs = 60_000;

/** Dials until the machine is in, which is when `admitted` resolves; it rejects when nothing comes of it. */
export function reach(
  identity: Identity,
  options: ReachOptions,
): { readonly visitor: Visitor; readonly admitted: Promise<void> } {
  const { address, ticket, withinMs = defaultWithinMs, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const data = new Set<Resumable>();
  // Whoever proves the ticket first; from then on nobody else.
  let peer = "";
  // Longer than the deadline below, which is the one that counts.
  let windowMs = 2 * withinMs;
  const common = { addresses: [address], ticket, fingerprint: () => peer };
  const guard = new Dialler(
    identity,
    {
      ...common,
      kind: "guard",
      stream: newStream(),
      linked: (secured) => {
        peer ||= secured.peer;
        visitor.greeted();
        // The network was away for all of them.
        for (const connection of data) connection.probe();
      },
    },
    { windowMs, idleMs: options.guardIdleMs },
  );
  const open = (stream: string): void => {
    if (data.size >= options.mostStreams) return;
    let fresh = true;
    const linked = (): void => {
      // After the link has been taken, so that what is written at once goes over it.
      if (fresh) process.nextTick(() => visitor.accept(dialler.connection));
      fresh = false;
    };
    const over = (): void => void data.delete(dialler.connection);
    const dialler = new Dialler(identity, { ...common, kind: "data", stream, linked, over }, { windowMs });
    data.add(dialler.connection);
    dialler.wanted();
  };
  const late = (): void => guard.connection.fail(lateError(address, withinMs, guard.failure));
  const timer = identity.clock.timer(withinMs, late);
  const abort = (): void => guard.connection.fail(signal?.reason as Error);
  signal?.addEventListener("abort", abort, { once: true });
  const settled = (): void => {
    timer.cancel();
    signal?.removeEventListener("abort", abort);
  };
  const visitor: Visitor = new Visitor(guard.connection, {
    clock: identity.clock,
    enrol: (said) => options.enrol(said),
    open,
    admitted(granted) {
      guard.connection.windowMs = windowMs = granted;
      settled();
      resolve();
    },
    over(error) {
      settled();
      // Of the guard itself, where there is one.
      reject(error.cause ?? error);
      for (const connection of data) connection.fail(error);
      options.over(visitor);
    },
  });
  guard.wanted();
  return { visitor, admitted: promise };
}

function lateError(address: string, withinMs: number, cause: unknown): Error {
  const message = `Cannot let the machine at ${address} in: it has not come within ${withinMs} ms; see whether it is up and can be reached`;
  return Object.assign(new Error(message, { cause }), { code: "ETIMEDOUT" });
}
