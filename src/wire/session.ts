/**
 * One authenticated conversation over a `Connection`: frames in, messages out, and back. Knows which message may come
 * when; anything else ends this connection with `ProtocolError` and nothing more.
 */
import { ProtocolError } from "../errors.ts";
import type { Connection } from "../ports/transport.ts";
import { type Frame, FrameReader, FrameWriter, type Limits, defaultLimits } from "./frames.ts";
import { type Message, type MessageType, decodeMessage, encodeMessage, types } from "./messages.ts";
import { IncomingTransfers, OutgoingTransfers, chunkBytes } from "./transfers.ts";

export type Role = "parent" | "runner";

export interface SessionHandlers {
  message(message: Message): void;
  /** Exactly once. `ProtocolError` when the other side broke the protocol, a system error, or nothing for a clean end. */
  closed(error?: Error): void;
}

/** Who the peer is, by the token of its hello; nothing else of the peer has been looked at. Undefined refuses it. */
export type Authenticate = (token: Buffer) => SessionHandlers | undefined;

/** What each side may receive, by phase. The parent's side starts at `hello`, the runner's at `opening`. */
const allowed: Record<Role, Record<"hello" | "opening" | "open", ReadonlySet<MessageType>>> = {
  parent: {
    hello: new Set(["hello"]),
    opening: new Set(["ready", "log", "fault"]),
    open: new Set(["accepted", "result", "error", "progress", "log", "fault", "drain"]),
  },
  runner: {
    hello: new Set(),
    opening: new Set(["welcome"]),
    open: new Set(["module", "call", "cancel", "drain", "ack"]),
  },
};
const opens: Record<Role, MessageType> = { parent: "ready", runner: "welcome" };
const nothing = Buffer.alloc(0);
const helloBytes = 1024;

/** One function for all sessions and ticks: a closure for each would be garbage for each. */
const flushIfScheduled = (session: Session): void => session.flushIfScheduled();

export class Session {
  readonly #connection: Connection;
  readonly #authenticate: Authenticate | undefined;
  #handlers: SessionHandlers | undefined;
  readonly #role: Role;
  readonly #refused: (() => void) | undefined;
  readonly #limits: Limits;
  readonly #reader: FrameReader;
  readonly #incoming: IncomingTransfers;
  readonly #writer = new FrameWriter();
  readonly #outgoing = new OutgoingTransfers();
  /** Messages that wait for the last chunk of one of their transfers. */
  readonly #held = new Map<number, () => void>();
  #phase: "hello" | "opening" | "open" | "closed";
  #error: Error | undefined;
  #blocked = false;
  #scheduled = false;

  /**
   * `peer`: the handlers on a runner, who trusts the address it was given; the gatekeeper on a parent. `refused` is
   * called when the connection ends before the gatekeeper let it in.
   */
  constructor(connection: Connection, peer: SessionHandlers | Authenticate, limits: Limits = defaultLimits, refused?: () => void) {
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
    connection.attach({
      data: (chunk) => this.#data(chunk),
      drain: () => {
        this.#blocked = false;
        this.#pump();
      },
      close: (error) => this.#closed(error),
    });
  }

  get open(): boolean {
    return this.#phase === "open";
  }

  /** Queues a message; everything sent in one tick leaves in one write. After the end it does nothing. */
  send(message: Message): void {
    if (this.#phase === "closed") return;
    const { type, id, body, buffers } = encodeMessage(message);
    if (buffers.length === 0 && body.length <= chunkBytes) this.#add(type, id, body);
    else this.#sendLong(type, id, body, buffers);
    this.#schedule();
  }

  /** Writes what waits right now: before `process.exit`, or when latency matters more than the number of writes. */
  flush(): void {
    this.#scheduled = false;
    const bytes = this.#writer.take();
    if (bytes && !this.#connection.write(bytes)) this.#blocked = true;
    if (!this.#outgoing.empty) this.#pump();
  }

  flushIfScheduled(): void {
    if (this.#scheduled) this.flush();
  }

  /** Flushes and ends. */
  end(): void {
    if (this.#phase === "closed") return;
    this.flush();
    this.#connection.end();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#connection.destroy();
  }

  hold(alive: boolean): void {
    this.#connection.hold(alive);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A tick queued from a microtask runs after all of them: every call that ends now shares the write.
    process.nextTick(flushIfScheduled, this);
  }

  #add(type: number, id: number, body: Uint8Array, attachments?: readonly number[], bodyAttached?: boolean): void {
    const full = this.#writer.add(type, id, body, attachments, bodyAttached);
    if (full && !this.#connection.write(full)) this.#blocked = true;
  }

  #sendLong(type: number, id: number, body: Uint8Array, buffers: readonly Uint8Array[]): void {
    const bodyAttached = body.length > chunkBytes;
    const parts = bodyAttached ? [body, ...buffers] : buffers;
    const transfers = parts.map((part) => this.#outgoing.open(part));
    let left = transfers.length;
    const done = (): void => {
      if (--left === 0) this.#add(type, id, bodyAttached ? nothing : body, transfers, bodyAttached);
    };
    for (const transfer of transfers) this.#held.set(transfer, done);
  }

  /** Sends chunks, a turn each, for as long as the other side keeps up. */
  #pump(): void {
    while (!this.#blocked && this.#phase !== "closed") {
      const chunk = this.#outgoing.next();
      if (!chunk) break;
      const gathered = this.#writer.take();
      if (gathered) this.#connection.write(gathered);
      const prefix = chunk.prefix ?? nothing;
      this.#connection.write(Buffer.concat([this.#writer.header(0, chunk.number, prefix.length + chunk.bytes.length), prefix]));
      if (!this.#connection.write(chunk.bytes)) this.#blocked = true;
      if (chunk.last) {
        const done = this.#held.get(chunk.number);
        this.#held.delete(chunk.number);
        done?.();
      }
    }
    const rest = this.#writer.take();
    if (rest && !this.#connection.write(rest)) this.#blocked = true;
  }

  #data(chunk: Buffer): void {
    if (this.#phase === "closed") return;
    try {
      this.#reader.push(chunk, this.#take);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.destroy(error);
    }
  }

  readonly #take = (frame: Frame): void => {
    if (this.#error || this.#phase === "closed") return;
    if (frame.type === 0) {
      if (this.#phase !== "open") throw new ProtocolError("Cannot open a transfer: the session is not open");
      if (frame.attachments.length > 0) throw new ProtocolError("Cannot read a chunk: it has attachments");
      this.#incoming.chunk(frame.id, frame.body);
      return;
    }
    const type = types[frame.type];
    if (!type || type === "chunk" || !allowed[this.#role][this.#phase].has(type)) {
      throw new ProtocolError(`Cannot accept message ${type ?? frame.type}: the session is ${this.#phase} at the ${this.#role}`);
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
    if (this.#handlers) this.#handlers.closed(this.#error ?? error);
    else this.#refused?.();
  }
}
