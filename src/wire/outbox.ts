/**
 * What a session sends. Small messages of one tick leave in one write; long ones go as transfers whose chunks take
 * turns, so that no call waits behind another. Order is kept where it means something: between messages of one call,
 * after code that later calls need, and before a goodbye.
 */
import type { Connection } from "../ports/transport.ts";
import { FrameWriter } from "./frames.ts";
import { type Message, encodeMessage } from "./messages.ts";
import { OutgoingTransfers, chunkBytes } from "./transfers.ts";

/** A message whose transfers are under way, or that must not overtake one. */
interface Held {
  readonly message: Message;
  readonly add: () => void;
  /** Transfers still to be sent. */
  left: number;
}

const nothing = Buffer.alloc(0);

/** One function for all outboxes and ticks: a closure for each would be garbage for each. */
const flushIfScheduled = (outbox: Outbox): void => outbox.flushIfScheduled();

export class Outbox {
  readonly #connection: Connection;
  readonly #writer = new FrameWriter();
  readonly #transfers = new OutgoingTransfers();
  readonly #held: Held[] = [];
  readonly #owners = new Map<number, Held>();
  #blocked = false;
  #scheduled = false;
  #ending = false;
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  send(message: Message): void {
    if (this.#ending || this.#closed) return;
    const { type, id, body, buffers } = encodeMessage(message);
    if (buffers.length > 0 || body.length > chunkBytes) this.#sendLong(message, type, id, body, buffers);
    else if (this.#mayPass(message, this.#held.length)) this.#add(type, id, body);
    else this.#held.push({ message, left: 0, add: () => this.#add(type, id, body) });
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A tick queued from a microtask runs after all of them: every call that ends now shares the write.
    process.nextTick(flushIfScheduled, this);
  }

  /** Writes what waits right now: before `process.exit`, or when latency matters more than the number of writes. */
  flush(): void {
    this.#scheduled = false;
    this.#write();
    if (!this.#transfers.empty) this.#pump();
    if (this.#ending && this.#transfers.empty) this.#connection.end();
  }

  /** What is sent from here on waits for the next flush, which the caller promises: it saves the wait for a tick. */
  gather(): void {
    this.#scheduled = true;
  }

  flushIfScheduled(): void {
    if (this.#scheduled) this.flush();
  }

  /** The other side keeps up again. */
  drained(): void {
    this.#blocked = false;
    this.flush();
  }

  /** Takes nothing more, and ends the connection once all is written. */
  end(): void {
    this.#ending = true;
    this.flush();
  }

  close(): void {
    this.#closed = true;
  }

  #add(type: number, id: number, body: Uint8Array, attachments?: readonly number[], bodyAttached?: boolean): void {
    const full = this.#writer.add(type, id, body, attachments, bodyAttached);
    if (full && !this.#connection.write(full)) this.#blocked = true;
  }

  #write(): void {
    const bytes = this.#writer.take();
    if (bytes && !this.#connection.write(bytes)) this.#blocked = true;
  }

  #sendLong(message: Message, type: number, id: number, body: Uint8Array, buffers: readonly Uint8Array[]): void {
    const bodyAttached = body.length > chunkBytes;
    const parts = bodyAttached ? [body, ...buffers] : buffers;
    const numbers = parts.map((part) => this.#transfers.open(part));
    const rest = bodyAttached ? nothing : body;
    const held: Held = { message, left: numbers.length, add: () => this.#add(type, id, rest, numbers, bodyAttached) };
    this.#held.push(held);
    for (const number of numbers) this.#owners.set(number, held);
  }

  /** Sends chunks, a turn each, for as long as the other side keeps up. */
  #pump(): void {
    while (!this.#blocked && !this.#closed) {
      const chunk = this.#transfers.next();
      if (!chunk) break;
      this.#write();
      const prefix = chunk.prefix ?? nothing;
      const header = this.#writer.header(0, chunk.number, prefix.length + chunk.bytes.length);
      this.#connection.write(prefix.length === 0 ? header : Buffer.concat([header, prefix]));
      if (!this.#connection.write(chunk.bytes)) this.#blocked = true;
      if (chunk.last) this.#complete(chunk.number);
    }
    this.#write();
  }

  #complete(number: number): void {
    const held = this.#owners.get(number)!;
    this.#owners.delete(number);
    held.left--;
    for (let index = 0; index < this.#held.length;) {
      const next = this.#held[index]!;
      if (next.left > 0 || !this.#mayPass(next.message, index)) index++;
      else {
        this.#held.splice(index, 1);
        next.add();
      }
    }
  }

  /** Whether a message may leave before the first `count` that are held. */
  #mayPass(message: Message, count: number): boolean {
    for (let index = 0; index < count; index++) if (follows(message, this.#held[index]!.message)) return false;
    return true;
  }
}

const mayNeedCode: ReadonlySet<string> = new Set(["call", "module", "ref-call", "ref-result", "item"]);

/** Numbers of units and of calls are different things, though both are called `id`. */
function follows(later: Message, earlier: Message): boolean {
  if (later.type === "drain" || later.type === "ack" || later.type === "fault") return true;
  // Each brings code that those after it only name.
  if (earlier.type === "nested" && later.type === "nested") return true;
  if (earlier.type === "module") return mayNeedCode.has(later.type);
  return "id" in later && "id" in earlier && later.type !== "module" && later.id === earlier.id;
}
