/**
 * Where machines come in that are not children of this process: over a network that nobody trusts.
 *
 * - A **ticket** is 32 random bytes that a machine was launched with. It is never sent; a machine proves that it has it. One
 *   ticket may be given to several machines, and lets each instance in once.
 * - `expect` and `dial` ask `enrol` about each machine that has proven the ticket, with what it claims to be. What `enrol`
 *   throws, or gives up with `undefined`, refuses the machine: its connection ends without a word. It may take its time (ten seconds
 *   at most) where a claim has to be looked up.
 * - A machine is known by the certificate that it enrolled with. Its connections survive broken links of up to
 *   `Grant.windowMs`; nothing is lost or repeated. What comes from it is bounded, and whatever breaks the protocol ends that machine alone.
 * - `Admission.closed` is called exactly once for each admission that `enrol` gave, and last of all its methods.
 * - `close` lets go of every machine and stops listening; it is idempotent and resolves when no connection is left.
 * - Nothing here keeps the process alive.
 */
import type { Connection } from "./transport.ts";

export interface Gate {
  /** `host:port`, as machines are told; empty when this gate only dials. */
  readonly address: string;
  /** SHA-256 of the certificate by which machines know this parent: 64 hexadecimal digits, no secret. */
  readonly fingerprint: string;
  /** Lets machines in that can prove `ticket`, for as long as the function that it gives is not called. Who is in stays. */
  expect(ticket: Buffer, enrol: Enrol): () => void;
  /**
   * Goes to a machine that listens at `address` (`host:port`), with the same proofs, again and again until it is admitted. Rejects
   * when that has not happened within `withinMs` (default: 60 000), when `signal` aborts, or when the gate is closed.
   */
  dial(address: string, ticket: Buffer, enrol: Enrol, options?: DialOptions): Promise<void>;
  close(): Promise<void>;
}

export interface DialOptions {
  readonly withinMs?: number;
  readonly signal?: AbortSignal;
}

export type Enrol = (claim: Claim) => Admission | undefined | Promise<Admission | undefined>;

/** What a machine says of itself. That it knows the ticket is proven, all of this is not. */
export interface Claim {
  /** Instance id; one ticket lets each in once. */
  readonly instance: string;
  /** The signed document by which its cloud names it. */
  readonly identity: { readonly document: string; readonly signature: string } | undefined;
  /** When it reached which phase of its boot, in seconds since it was started. */
  readonly phases: Readonly<Record<string, number>>;
  /** The address that it came from or was reached at, as the socket tells it. */
  readonly peer: string;
}

/** What the parent gives to a machine that it lets in, and where it is told about it. */
export interface Admission {
  readonly grant: Grant;
  /** Handed over at once, before anything else. */
  attached(guest: Guest): void;
  /** A data stream of this machine, not attached yet. */
  accept(connection: Connection): void;
  /** A sign of life: an answer to `Guest.ping`. While the machine's link is away and its window lasts, it is given without the machine. */
  beat(): void;
  output(stream: "stdout" | "stderr", line: string): void;
  exited(exit: { readonly exitCode?: number; readonly signal?: string }): void;
  /** What the machine's cloud has announced, e.g. `spot`; `at` is a date in milliseconds since 1970, by the machine's clock. */
  notice(kind: string, at: number): void;
  /** It is gone for good: it said so, it was let go of, or (with an error) its window passed or it broke the protocol. */
  closed(error?: Error): void;
}

/** A machine that is in. All of it does nothing once the machine is gone. */
export interface Guest {
  /** Instance id, as it claimed. */
  readonly instance: string;
  /** Asks for a sign of life. */
  ping(): void;
  /** Has the machine end at once what it runs, and itself. */
  kill(): void;
  /** It is known to be no more: its connections end now, and nothing is waited for. */
  gone(): void;
  /** Lets go of it: what it runs is told that the parent is gone, and the machine ends when that has ended. */
  release(): void;
}

/** What a machine needs to start its agent; travels as JSON. */
export interface Grant {
  readonly runner: string;
  /** 32 bytes as base64url: what the agent shows at the start of each session. */
  readonly token: string;
  readonly env: Readonly<Record<string, string>>;
  /** Flags of Node. */
  readonly flags: readonly string[];
  readonly onParentLoss: "kill" | "drain";
  /** How long a broken link may take to come back before both sides let go. */
  readonly windowMs: number;
}
