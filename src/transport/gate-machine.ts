/**
 * The machine's side of the gate: proves its ticket, says what it is, and is given what it needs to start. Then it is the parent's eyes
 * and hands on this machine, and the source of data connections.
 */
import { ProtocolError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Claim, Grant } from "../ports/gate.ts";
import type { Connection } from "../ports/transport.ts";
import { newCertificate } from "./certificate.ts";
import { Dialler, type Identity } from "./gate-dialler.ts";
import { Door } from "./gate-door.ts";
import { Streams } from "./gate-streams.ts";
import { partedError } from "./gate-visitor.ts";
import { type MachineWord, type ParentWord, WordReader, encodeWord, parentWord, wordBytes } from "./gate-words.ts";
import type { Resumable } from "./resumable.ts";
import { checkTicket, newStream, ticketIdOf } from "./tls-greeting.ts";
import { tlsContext } from "./tls.ts";

export interface EnrolOptions {
  readonly clock: Clock;
  /** Of the parent, `host:port` each, tried in turn; empty for a machine that listens. */
  readonly addresses: readonly string[];
  /** Where to listen for the parent, where that dials. */
  readonly listen?: { readonly port: number; readonly host?: string };
  /** SHA-256 of the parent's certificate, 64 hexadecimal digits: nobody else is spoken to. */
  readonly fingerprint: string;
  /** 32 bytes. */
  readonly ticket: Uint8Array;
  readonly claim: Omit<Claim, "peer">;
  /** How long it is tried. @default 120000 */
  readonly withinMs?: number;
}

/** The parent, as a machine has it. All of it does nothing once the parent is gone. */
export interface Host {
  readonly grant: Grant;
  /** What comes from now on, and what has come since the grant. To be called once. */
  attach(handlers: HostHandlers): void;
  /** A new data connection. Keeps the process alive until it is there; rejects when it cannot be made while the window lasts. */
  data(): Promise<Connection>;
  beat(): void;
  /** False when the parent does not keep up: `HostHandlers.drain` says when to go on. */
  output(stream: "stdout" | "stderr", line: string): boolean;
  exited(exit: { readonly exitCode?: number; readonly signal?: string }): void;
  notice(kind: string, at: number): void;
  /** Says goodbye after all that was said before. Data connections that are still open end with an error on both sides. */
  close(): void;
  /** Whether the parent alone keeps this process alive. It does not, by itself. */
  hold(alive: boolean): void;
}

export interface HostHandlers {
  /** The parent asks for a beat. */
  ping(): void;
  kill(): void;
  release(): void;
  drain(): void;
  /** Exactly once and last: with an error when the parent is lost for longer than the window, without when one of both said goodbye. */
  closed(error?: Error): void;
}

/** Until there is a grant, links may be away for longer than this: it is the deadline that counts. */
const defaultWithinMs = 120_000;
const guardIdleMs = 1_000;
/** A machine that listens has one caller. */
const strangers = 16;

/**
 * Comes in at the parent. Resolves when the parent has let this machine in; keeps the process alive until then. Rejects with a code
 * (`ETIMEDOUT`, `ECONNRESET`) and the last try's error as its cause when that has not happened in time, or the parent has refused.
 *
 *     const host = await enrol({ clock, addresses: ["10.0.0.5:41234"], fingerprint, ticket, claim });
 */
export async function enrol(options: EnrolOptions): Promise<Host> {
  checkTicket(options.ticket);
  const certificate = await newCertificate();
  const identity: Identity = { role: "machine", certificate, context: tlsContext(certificate), clock: options.clock };
  const way = options.listen ? await listening(identity, options, options.listen) : dialling(identity, options);
  return new Enrolment(way, options).granted;
}

/** How a machine gets its connections. */
interface Way {
  readonly guard: Resumable;
  readonly failure: () => Error | undefined;
  /** Makes one, and calls `linked` when it has its first link, `over` when nothing more comes of it. */
  data(windowMs: number, linked: () => void, over: () => void): Way["guard"];
  /** Asks the parent for it, where that dials. */
  ask: ((word: MachineWord) => void) | undefined;
  close(): void;
}

function dialling(identity: Identity, options: EnrolOptions): Way {
  const { addresses, ticket, fingerprint, withinMs = defaultWithinMs } = options;
  if (addresses.length === 0)
    throw new TypeError("Cannot enrol: no address of the parent is given, and no port to listen on");
  const common = { addresses, ticket, fingerprint: () => fingerprint };
  const made = new Set<Resumable>();
  const guard = new Dialler(
    identity,
    {
      ...common,
      kind: "guard",
      stream: newStream(),
      linked: () => {
        // The network was away for all of them.
        for (const connection of made) connection.probe();
      },
    },
    { windowMs: 2 * withinMs, idleMs: guardIdleMs },
  );
  guard.wanted();
  return {
    guard: guard.connection,
    failure: () => guard.failure,
    data(windowMs, linked, over) {
      const dialler = new Dialler(
        identity,
        {
          ...common,
          kind: "data",
          stream: newStream(),
          linked,
          over: () => {
            made.delete(dialler.connection);
            over();
          },
        },
        { windowMs },
      );
      made.add(dialler.connection);
      dialler.wanted();
      return dialler.connection;
    },
    ask: undefined,
    close: () => undefined,
  };
}

async function listening(
  identity: Identity,
  options: EnrolOptions,
  listen: { port: number; host?: string },
): Promise<Way> {
  const { clock } = identity;
  const { ticket, fingerprint, withinMs = defaultWithinMs } = options;
  const ticketId = ticketIdOf(ticket);
  const vigil = { clock, windowMs: 2 * withinMs, silence: "wait" } as const;
  const guards = new Streams({ ...vigil, idleMs: guardIdleMs });
  const data = new Streams(vigil);
  const waiting = new Map<string, () => void>();
  // By the first call of the parent it gets the parent's name for it.
  let named = "";
  const guard = guards.add("");
  const door = new Door(identity, {
    port: listen.port,
    host: listen.host,
    fingerprint,
    strangers: () => strangers + 2 * data.size,
    ticketOf: (id) => (id === ticketId ? ticket : undefined),
    admit(call) {
      if (call.kind === "guard") {
        if (named === "" && call.fresh) named = call.stream;
        if (call.stream !== named) return undefined;
        const reply = guards.answer({ ...call, stream: "" });
        if (reply?.link) data.probe();
        return reply;
      }
      const reply = data.answer(call);
      const linked = waiting.get(call.stream);
      if (!reply?.link || !linked) return reply;
      return {
        answer: reply.answer,
        link: (link) => {
          waiting.delete(call.stream);
          reply.link!(link);
          linked();
        },
      };
    },
  });
  await door.open();
  const way: Way = {
    guard,
    failure: () => undefined,
    data(windowMs, linked, over) {
      const stream = newStream();
      data.windowMs = windowMs;
      const connection = data.add(stream, () => {
        waiting.delete(stream);
        over();
      });
      waiting.set(stream, linked);
      way.ask?.(["open", stream]);
      return connection;
    },
    ask: undefined,
    close: () => void door.close(),
  };
  return way;
}

class Enrolment {
  readonly granted: Promise<Host>;
  readonly #way: Way;
  readonly #data = new Set<Resumable>();
  readonly #resolve: (host: Host) => void;
  readonly #reject: (error: Error) => void;
  readonly #early: ParentWord[] = [];
  #handlers: HostHandlers | undefined;
  #grant: Grant | undefined;
  #ended: { readonly error: Error | undefined } | undefined;

  constructor(way: Way, { claim, clock, withinMs = defaultWithinMs }: EnrolOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<Host>();
    this.granted = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#way = way;
    way.ask = (word) => void this.#say(word);
    const reader = new WordReader(wordBytes, (word) => this.#take(parentWord(word)));
    const timer = clock.timer(withinMs, () =>
      way.guard.fail(notIn("the parent has not let this machine in", withinMs)),
    );
    promise.then(
      () => timer.cancel(),
      () => timer.cancel(),
    );
    way.guard.hold(true);
    way.guard.attach({
      data: (chunk) => reader.push(chunk),
      drain: () => this.#handlers?.drain(),
      close: (error) => this.#closed(error),
    });
    this.#say(["claim", claim]);
  }

  #say(word: MachineWord): boolean {
    return this.#way.guard.write(encodeWord(word));
  }

  #take(word: ParentWord): void {
    if (word[0] === "grant") {
      if (this.#grant) throw new ProtocolError("Cannot take grant: this machine has one");
      this.#grant = word[1];
      this.#way.guard.windowMs = word[1].windowMs;
      this.#way.guard.hold(false);
      this.#resolve(this.#host(word[1]));
    } else if (!this.#grant) throw new ProtocolError(`Cannot take ${word[0]}: this machine has no grant`);
    else if (this.#handlers) this.#handlers[word[0]]();
    else this.#early.push(word);
  }

  #host(grant: Grant): Host {
    return {
      grant,
      attach: (handlers) => {
        this.#handlers = handlers;
        for (const word of this.#early.splice(0)) if (word[0] !== "grant") handlers[word[0]]();
        if (this.#ended) handlers.closed(this.#ended.error);
      },
      data: () => this.#open(grant.windowMs),
      beat: () => void this.#say(["beat"]),
      output: (stream, line) => this.#say(["output", stream, line]),
      exited: (exit) => void this.#say(["exited", exit]),
      notice: (kind, at) => void this.#say(["notice", kind, at]),
      close: () => this.#way.guard.end(),
      hold: (alive) => this.#way.guard.hold(alive),
    };
  }

  #open(windowMs: number): Promise<Connection> {
    if (this.#ended) return Promise.reject(partedError());
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const connection = this.#way.data(
      windowMs,
      () => {
        connection.hold(false);
        resolve(connection);
      },
      () => {
        this.#data.delete(connection);
        reject(
          Object.assign(new Error("Cannot make a data connection: the parent does not answer"), { code: "ETIMEDOUT" }),
        );
      },
    );
    this.#data.add(connection);
    // Somebody waits for it.
    connection.hold(true);
    return promise;
  }

  #closed(error: Error | undefined): void {
    this.#ended = { error };
    for (const connection of this.#data) connection.fail(partedError(error));
    this.#way.close();
    const cause = this.#way.failure();
    this.#reject(
      Object.assign(
        new Error(`Cannot enrol: ${error?.message ?? "the parent has refused this machine"}`, {
          cause: cause ?? error,
        }),
        {
          code: (error as NodeJS.ErrnoException | undefined)?.code ?? "ECONNREFUSED",
        },
      ),
    );
    this.#handlers?.closed(error);
  }
}

function notIn(what: string, ms: number): Error {
  return Object.assign(new Error(`${what} within ${ms} ms`), { code: "ETIMEDOUT" });
}
