/**
 * A connection that outlives its links. Both sides count the bytes of each direction and keep what the other has not confirmed;
 * over a new link both tell how far they have come, and go on from there. Who makes links, and who is let in by them, is not
 * known here: `link` is called with one when both sides have told their positions.
 */
import { ProtocolError } from "../errors.ts";
import type { Timer } from "../ports/clock.ts";
import type { Connection, ConnectionHandlers } from "../ports/transport.ts";
import { ackBytes, ackMs, ackWithDataBytes, earlyBytes, flushMs, retainedBytes } from "./resumable-bounds.ts";
import { givenUpError, lostError } from "./resumable-errors.ts";
import {
  type Frames,
  FrameReader,
  ackFrame,
  byeFrame,
  closeFrame,
  failFrame,
  finFrame,
  pieceBytes,
  pingFrame,
  pongFrame,
  sendData,
} from "./resumable-frames.ts";
import { Incoming } from "./resumable-incoming.ts";
import type { Link, Links } from "./resumable-links.ts";
import { Retained } from "./resumable-queue.ts";
import { Vigil, type VigilOptions } from "./resumable-vigil.ts";

export class Resumable implements Connection {
  readonly #options: VigilOptions;
  readonly #links: Links;
  readonly #queue = new Retained();
  readonly #incoming = new Incoming();
  #handlers: ConnectionHandlers | undefined;

  #link: Link | undefined;
  #reader: FrameReader | undefined;
  #blocked = false;
  #held = false;
  #paused = false;
  /** Its user wants no more for now. */
  #unwilling = false;

  /** `write` has said so, and `drain` has not taken it back. */
  #behind = false;
  #ackTimer: Timer | undefined;

  /** Of the user: nothing more is handed over. */
  #closed = false;
  #delivered: number | undefined;
  #failure: Error | undefined;
  /** Of the links: nothing more is to be said. */
  #over = false;
  #parting: { readonly link: Link; readonly timer: Timer } | undefined;

  readonly #vigil: Vigil;
  #pinged = false;

  constructor(options: VigilOptions, links: Links) {
    this.#options = options;
    this.#links = links;
    this.#vigil = new Vigil(options, {
      state: () => (this.#link ? (this.asked ? "asked" : "idle") : "none"),
      ping: () => this.#ping(),
      drop: () => this.#broken(this.#link),
      wanted: () => links.wanted(),
      unwanted: () => links.unwanted(),
      giveUp: () => this.fail(givenUpError(this.#vigil.windowMs, this.#queue.sent < this.#queue.written)),
    });
  }

  /** How much of the other side has come, its end included: where it is to go on. */
  get received(): number {
    return this.#incoming.position;
  }

  /** How much of the other side has been handed over: what it is told when this side has closed. */
  get delivered(): number {
    return this.#delivered ?? this.#incoming.delivered;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  get linked(): boolean {
    return this.#link !== undefined;
  }

  /** A window that was agreed upon later. */
  set windowMs(windowMs: number) {
    this.#vigil.windowMs = windowMs;
  }

  // The connection, as its user sees it.

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#closed) return this.#tell();
    // Not in the caller's turn: it may not be ready for what comes.
    process.nextTick(() => this.#deliverEarly());
  }

  write(chunk: Uint8Array): boolean {
    if (this.#closed || this.#queue.ended) return true;
    this.#queue.push(chunk);
    this.#pump();
    if (!this.#full) return true;
    this.#behind = true;
    return false;
  }

  pause(paused: boolean): void {
    this.#unwilling = paused;
    this.#pause(paused || this.#incoming.keptBytes >= earlyBytes);
  }

  end(): void {
    if (this.#closed || this.#queue.ended) return;
    this.#queue.end();
    this.#pump();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#close(undefined);
    // The dialling side goes on until it knows that the other side has heard of it, for as long as the window lasts.
    if (this.#dials) this.#link?.write(closeFrame(this.delivered));
    else this.#farewell(closeFrame(this.delivered));
  }

  hold(alive: boolean): void {
    this.#held = alive;
    if (this.#closed) return;
    this.#link?.hold(alive);
    this.#vigil.hold(alive);
  }

  // For those who make links.

  /** A link over which both sides have told their positions; `position` is the other side's. It takes the place of the one there is. */
  link(link: Link, position: number): void {
    if (this.#over) return link.destroy();
    this.unlink();
    try {
      this.#queue.confirm(position);
    } catch (error) {
      link.destroy();
      return this.fail(error as Error);
    }
    const reader = new FrameReader(this.#frames);
    this.#link = link;
    this.#reader = reader;
    this.#blocked = this.#paused = false;
    this.#pinged = false;
    this.#vigil.renew();
    // The other side has just been told.
    this.#incoming.takeAck();
    link.hold(this.#held && !this.#closed);
    link.attach({
      data: (chunk) => {
        if (this.#reader !== reader) return;
        this.#pinged = false;
        this.#vigil.heard();
        try {
          reader.push(chunk);
        } catch (error) {
          this.fail(error instanceof Error ? error : new Error(String(error)));
        }
      },
      drain: () => {
        if (this.#link !== link) return;
        this.#blocked = false;
        this.#pump();
      },
      close: () => {
        if (this.#parting?.link === link) this.#parting.timer.cancel();
        this.#broken(link);
      },
    });
    if (this.#closed && !this.#finished) return void link.write(closeFrame(this.delivered));
    this.#queue.rewind();
    if (this.#unwilling || this.#incoming.keptBytes >= earlyBytes) this.#pause(true);
    this.#pump();
    this.#settle();
  }

  /** Takes no more from the link there is: its position is about to be told over another. */
  unlink(): void {
    const link = this.#link;
    this.#reader?.stop();
    this.#link = this.#reader = undefined;
    link?.destroy();
  }

  /** See `Vigil.present`. */
  set present(present: boolean) {
    this.#vigil.present = present;
  }

  /** Asks the other side at once: another connection of the same machine has lost its link. */
  probe(): void {
    if (this.#link && !this.#pinged && !this.#over) this.#ping();
  }

  /** The other side has none such any more. `position` is what it had read, when it knows. */
  gone(position: number | undefined): void {
    this.#lose(position);
    this.#finish();
  }

  /** Destroys it, and does not go on trying to tell the other side. */
  abandon(): void {
    this.#close(undefined);
    this.#farewell(closeFrame(this.delivered));
  }

  /** Ends it with this error; the other side is told that there is one. */
  fail(error: Error): void {
    this.#close(error);
    this.#farewell(failFrame(this.delivered));
  }

  // What the other side says.

  readonly #frames: Frames = {
    data: (piece) => {
      this.#incoming.came(piece.length);
      if (this.#incoming.unconfirmed >= ackBytes) this.#sendAck();
      else this.#ackTimer ??= this.#options.clock.timer(ackMs, () => this.#sendAck());
      if (this.#closed) return;
      if (this.#handlers && this.#incoming.keptBytes === 0) return this.#handlers.data(piece);
      this.#incoming.keep(piece);
      if (this.#incoming.keptBytes >= earlyBytes) this.#pause(true);
    },
    ack: (position) => {
      this.#queue.confirm(position);
      this.#relieve();
      this.#settle();
    },
    fin: () => {
      this.#incoming.end();
      this.#sendAck();
      if (this.#handlers && this.#incoming.keptBytes === 0) this.end();
      this.#settle();
    },
    ping: () => void this.#link?.write(pongFrame),
    pong: () => undefined,
    close: (position) => {
      this.#queue.check(position);
      this.#lose(position);
      this.#part();
    },
    fail: (position) => {
      this.#queue.check(position);
      this.#close(lostError(position < this.#queue.written));
      this.#frames.close(position);
    },
    bye: () => {
      if (!this.#closed) throw new ProtocolError("Cannot part: not all that was sent has been confirmed");
      this.#finish();
    },
  };

  // What this side says.

  get #full(): boolean {
    return !this.#link || this.#blocked || this.#queue.kept >= retainedBytes;
  }

  #pump(): void {
    while (this.#link && !this.#blocked) {
      const piece = this.#queue.take(pieceBytes);
      if (!piece) break;
      const ack = this.#incoming.unconfirmed >= ackWithDataBytes ? this.#incoming.takeAck() : undefined;
      this.#blocked = !sendData(this.#link, piece, ack);
    }
    if (this.#link && this.#queue.takeEnd()) this.#link.write(finFrame);
    this.#relieve();
  }

  #relieve(): void {
    if (!this.#behind || this.#full || this.#closed || this.#queue.sent < this.#queue.written) return;
    if (this.#queue.kept > retainedBytes / 2) return;
    this.#behind = false;
    this.#handlers?.drain();
  }

  #sendAck(): void {
    this.#ackTimer?.cancel();
    this.#ackTimer = undefined;
    const position = this.#link && this.#incoming.takeAck();
    if (position !== undefined) this.#link?.write(ackFrame(position));
  }

  #ping(): void {
    this.#pinged = true;
    this.#link?.write(pingFrame);
  }

  #pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#link?.pause(paused);
  }

  #deliverEarly(): void {
    while (this.#incoming.keptBytes > 0 && !this.#closed) this.#handlers?.data(this.#incoming.shift()!);
    if (this.#closed) return;
    this.#pause(this.#unwilling);
    if (this.#incoming.ended) this.end();
    this.#relieve();
    this.#settle();
  }

  // Ends.

  /** Both directions have ended, and all has arrived. */
  get #finished(): boolean {
    return this.#queue.endConfirmed && this.#incoming.ended && this.#incoming.keptBytes === 0;
  }

  #settle(): void {
    if (!this.#finished || this.#over) return;
    this.#sendAck();
    this.#close(undefined);
    // The dialling side stays until it knows that its last ack has come: it alone can bring it once more.
    if (!this.#dials) this.#farewell(byeFrame);
  }

  #lose(position: number | undefined): void {
    const all = position !== undefined && position >= this.#queue.written;
    this.#close(all ? undefined : lostError(position !== undefined));
  }

  get #dials(): boolean {
    return this.#options.silence === "redial";
  }

  /** The user is told, once; what it wrote is of no use any more. */
  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#delivered = this.delivered;
    this.#closed = true;
    this.#failure = error;
    this.#incoming.clear();
    this.#link?.hold(false);
    this.#vigil.hold(false);
    this.#unwilling = false;
    this.#pause(false);
    this.#queue.clear();
    if (this.#handlers) this.#tell();
  }

  #tell(): void {
    process.nextTick(() => this.#handlers?.close(this.#failure));
  }

  /** The other side has closed, and the dialling one waits for a word that this is known. */
  #part(): void {
    if (this.#dials) this.#finish();
    else this.#farewell(byeFrame);
  }

  /** Says a last thing over the link, which then is closed. */
  #farewell(frame: Buffer): void {
    const link = this.#link;
    this.#reader?.stop();
    this.#link = this.#reader = undefined;
    this.#finish();
    if (!link) return;
    link.write(frame);
    link.end();
    this.#parting = { link, timer: this.#options.clock.timer(flushMs, () => link.destroy()) };
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#vigil.stop();
    this.#ackTimer?.cancel();
    this.unlink();
    this.#links.over();
  }

  // Links that break, or fall silent.

  #broken(link: Link | undefined): void {
    if (!link || this.#link !== link) return;
    this.unlink();
    this.#links.wanted();
  }

  /** Whether the other side owes a sign of life. While nothing is read none is expected. */
  get asked(): boolean {
    if (this.#paused) return false;
    return this.#closed || this.#pinged || this.#queue.asking;
  }
}
