/**
 * One authenticated conversation over a `Connection`: frames in, messages out, and back. Knows which message may come
 * when; anything else ends this connection with `ProtocolError` and nothing more.
 */
import { ProtocolError } from "../errors.ts";
import type { Connection } from "../ports/transport.ts";
import { type Frame, FrameReader, type Limits, defaultLimits } from "./frames.ts";
import { type Message, type MessageType, decodeMessage, types } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { IncomingTransfers } from "./transfers.ts";

export type Role = "parent" | "runner";

export interface SessionHandlers {
  message(message: Message): void;
  /** Exactly once. `ProtocolError` when the other side broke the protocol, a system error, or nothing for a clean end. */
  closed(error?: Error): void;
  /** What was sent has left: see `blocked`. */
  drained?(): void;
}

/** Who the peer is, by the token of its hello; nothing else of the peer has been looked at. Undefined refuses it. */
export type Authenticate = (token: Buffer) => SessionHandlers | undefined;

const live = ["ref-call", "ref-result", "ref-release", "item", "credit"] as const;
/** What each side may receive, by phase. The parent's side starts at `hello`, the runner's at `opening`. */
const allowed: Record<Role, Record<"hello" | "opening" | "open", ReadonlySet<MessageType>>> = {
  parent: {
    hello: new Set(["hello"]),
    opening: new Set(["ready", "log", "fault"]),
    open: new Set([
      "accepted",
      "result",
      "error",
      "progress",
      "log",
      "fault",
      "drain",
      "exited",
      "close",
      "nested",
      "tree",
      ...live,
    ]),
  },
  runner: {
    hello: new Set(),
    opening: new Set(["welcome"]),
    open: new Set(["module", "call", "cancel", "drain", "ack", "start", "stop", "close", "tree", ...live]),
  },
};
const opens: Record<Role, MessageType> = { parent: "ready", runner: "welcome" };
const helloBytes = 1024;

export class Session {
  readonly #connection: Connection;
  readonly #authenticate: Authenticate | undefined;
  #handlers: SessionHandlers | undefined;
  readonly #role: Role;
  readonly #refused: (() => void) | undefined;
  readonly #limits: Limits;
  readonly #reader: FrameReader;
  readonly #incoming: IncomingTransfers;
  readonly #outbox: Outbox;
  #phase: "hello" | "opening" | "open" | "closed";
  #error: Error | undefined;
  #destroyed = false;

  /**
   * `peer`: the handlers on a runner, who trusts the address it was given; the gatekeeper on a parent. `refused` is
   * called when the connection ends before the gatekeeper let it in.
   */
  constructor(
    connection: Connection,
    peer: SessionHandlers | Authenticate,
    limits: Limits = defaultLimits,
    refused?: () => void,
  ) {
    this.#refused = refused;
    this.#connection = connection;
    this.#limits = limits;
    if (typeof peer === "function") {
      this.#role = "parent";
      this.#phase = "hello";
      this.#authenticate = peer;
    } else {
      this.#role = "runner";
      this.#phase = "opening";
      this.#handlers = peer;
    }
    this.#reader = new FrameReader(this.#authenticate ? helloBytes : limits.frameBytes);
    this.#incoming = new IncomingTransfers(limits);
    this.#outbox = new Outbox(connection);
    connection.attach({
      data: (chunk) => this.#data(chunk),
      drain: () => {
        this.#outbox.drained();
        if (!this.#outbox.blocked) this.#handlers?.drained?.();
      },
      close: (error) => this.#closed(error),
    });
  }

  get open(): boolean {
    return this.#phase === "open";
  }

  /** The other side does not keep up: who can wait does so until `drained`. */
  get blocked(): boolean {
    return this.#outbox.blocked;
  }

  /** Queues a message; everything sent in one tick leaves in one write. After the end it does nothing. */
  send(message: Message): void {
    this.#outbox.send(message);
  }

  /** Writes what waits right now: before `process.exit`, or when latency matters more than the number of writes. */
  flush(): void {
    this.#outbox.flush();
  }

  /** Sends what was given to it, then ends. */
  end(): void {
    this.#outbox.end();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#destroyed = true;
    this.#connection.destroy();
  }

  hold(alive: boolean): void {
    this.#connection.hold(alive);
  }

  #data(chunk: Buffer): void {
    if (this.#phase === "closed") return;
    // Answers that are ready at once share the write that ends this turn.
    this.#outbox.gather();
    try {
      this.#reader.push(chunk, this.#take);
    } catch (error) {
      // Also a fault of our own handlers ends this conversation alone: thrown on, it would end the application.
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
    this.#outbox.flushIfScheduled();
  }

  readonly #take = (frame: Frame): void => {
    if (this.#destroyed || this.#phase === "closed") return;
    if (frame.type === 0) {
      if (this.#phase !== "open") throw new ProtocolError("Cannot open a transfer: the session is not open");
      if (frame.attachments.length > 0) throw new ProtocolError("Cannot read a chunk: it has attachments");
      this.#incoming.chunk(frame.id, frame.body);
      return;
    }
    const type = types[frame.type];
    if (!type || type === "chunk" || !allowed[this.#role][this.#phase].has(type)) {
      throw new ProtocolError(
        `Cannot accept message ${type ?? frame.type}: the session is ${this.#phase} at the ${this.#role}`,
      );
    }
    if (this.#phase === "hello") this.#greet(frame);
    let { body } = frame;
    let buffers = frame.attachments.map((number) => this.#incoming.claim(number));
    if (frame.bodyAttached) {
      body = buffers[0]!;
      buffers = buffers.slice(1);
    }
    const message = decodeMessage(frame.type, frame.id, body, buffers);
    if (type === opens[this.#role]) this.#phase = "open";
    this.#handlers?.message(message);
  };

  #greet(frame: Frame): void {
    this.#handlers = frame.body.length >= 34 ? this.#authenticate?.(frame.body.subarray(2, 34)) : undefined;
    if (!this.#handlers) throw new ProtocolError("Cannot accept hello: its token is not one that was given out");
    this.#reader.frameBytes = this.#limits.frameBytes;
    this.#phase = "opening";
  }

  #closed(error?: Error): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#outbox.close();
    if (this.#handlers) this.#handlers.closed(this.#error ?? error);
    else this.#refused?.();
  }
}
