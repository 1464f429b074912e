/**
 * A connection that outlives its links. Both sides count the bytes of each direction and keep what the other has not confirmed;
 * over a new link both tell how far they have come, and go on from there. Who makes links, and who is let in by them, is not
 * known here: `link` is called with one when both sides have told their positions.
 */
import { ProtocolError } from "../errors.ts";
import type { Timer } from "../ports/clock.ts";
import type { Connection, ConnectionHandlers } from "../ports/transport.ts";
import {
  type Frames,
  FrameReader,
  ackFrame,
  byeFrame,
  closeFrame,
  dataFrame,
  finFrame,
  pieceBytes,
  pingFrame,
  pongFrame,
} from "./resumable-frames.ts";
import { Retained } from "./resumable-queue.ts";
import { Vigil, type VigilOptions } from "./resumable-vigil.ts";

/** One reliable stream of bytes that may break at any time. */
export interface Link extends Connection {
  /** Both in one write, where that is cheaper than two. */
  writeBoth(head: Uint8Array, body: Uint8Array): boolean;
  /** Reads no more for now, so that the other side has to wait. */
  pause(paused: boolean): void;
}

/** Whoever makes links. All may be called again and again. */
export interface Links {
  /** There is none, or it is silent though something was asked: make another. */
  wanted(): void;
  /** The one there is speaks again: what was begun is not needed. */
  unwanted(): void;
  /** Nothing more is to come of this connection: it has ended on both sides, or has been given up. */
  over(): void;
}

/** Kept for the other side before `write` says that it is behind. */
const retainedBytes = 4 * 2 ** 20;
/** Received before an ack is sent by itself; and how long one waits for data that it can travel with. */
const ackBytes = 128 * 1024;
const ackMs = 50;
/** Kept for handlers that are not attached yet, before the link is no longer read. */
const earlyBytes = 1024 * 1024;
/** What a link may take to flush its last frames. */
const flushMs = 2_000;

export class Resumable implements Connection {
  readonly #options: VigilOptions;
  readonly #links: Links;
  readonly #queue = new Retained();
  #handlers: ConnectionHandlers | undefined;
  #early: Buffer[] = [];
  #earlyLength = 0;

  #link: Link | undefined;
  #reader: FrameReader | undefined;
  #blocked = false;
  #held = false;
  #paused = false;
  /** Its user wants no more for now. */
  #unwilling = false;

  /** Our direction. */
  #behind = false;
  #ending = false;
  #finSent = false;
  #finConfirmed = false;
  /** Their direction. */
  #received = 0;
  #finReceived = false;
  #ackSent = 0;
  #ackTimer: Timer | undefined;

  /** Of the user: nothing more is handed over. */
  #closed = false;
  #failure: Error | undefined;
  #told = false;
  /** Of the links: nothing more is to be said. */
  #over = false;
  #parting: { readonly link: Link; readonly timer: Timer } | undefined;

  readonly #vigil: Vigil;
  #pinged = false;

  constructor(options: VigilOptions, links: Links) {
    this.#options = options;
    this.#links = links;
    this.#vigil = new Vigil(options, {
      state: () => (this.#link ? (this.#asked ? "asked" : "idle") : "none"),
      ping: () => this.#ping(),
      drop: () => this.#broken(this.#link),
      wanted: () => links.wanted(),
      unwanted: () => links.unwanted(),
      giveUp: () => this.fail(this.#givenUp()),
    });
  }

  /** How much of the other side has come, its end included: where it is to go on. */
  get received(): number {
    return this.#received + (this.#finReceived ? 1 : 0);
  }

  /** How much of the other side has been handed over: what it is told when this side has closed. */
  get delivered(): number {
    return this.#received - this.#earlyLength + (this.#finReceived && this.#earlyLength === 0 ? 1 : 0);
  }

  get linked(): boolean {
    return this.#link !== undefined;
  }

  /** Has ended for its user. */
  get closed(): boolean {
    return this.#closed;
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
    if (this.#closed || this.#ending) return true;
    this.#queue.push(chunk);
    this.#pump();
    if (!this.#full) return true;
    this.#behind = true;
    return false;
  }

  pause(paused: boolean): void {
    this.#unwilling = paused;
    this.#pause(paused || this.#earlyLength >= earlyBytes);
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#pump();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#close(undefined);
    if (this.#link) this.#farewell(closeFrame(this.delivered));
    else if (this.#options.silence !== "redial") this.#finish();
    // Without a link the dialling side goes on for as long as the window lasts: the other side is to be told.
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
      this.#confirm(position);
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
    this.#ackSent = this.received;
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
    if (this.#closed && !this.#finished) return this.#farewell(closeFrame(this.delivered));
    this.#queue.rewind();
    this.#finSent = this.#finConfirmed;
    if (this.#unwilling || this.#earlyLength >= earlyBytes) this.#pause(true);
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
    if (position === undefined || position < this.#queue.written) this.#close(lost(position !== undefined));
    else this.#close(undefined);
    this.#finish();
  }

  /** Destroys it, and does not go on trying to tell the other side. */
  abandon(): void {
    this.destroy();
    this.#finish();
  }

  /** Ends it with this error; the other side is told that it is closed. */
  fail(error: Error): void {
    this.#close(error);
    this.#farewell(closeFrame(this.delivered));
  }

  // What the other side says.

  readonly #frames: Frames = {
    data: (piece) => {
      if (this.#finReceived) throw new ProtocolError("Cannot take more bytes: the other side had ended before");
      this.#received += piece.length;
      if (this.#received - this.#ackSent >= ackBytes) this.#sendAck();
      else this.#ackTimer ??= this.#options.clock.timer(ackMs, this.#ackNow);
      if (this.#closed) return;
      if (this.#handlers && this.#earlyLength === 0) return this.#handlers.data(piece);
      this.#early.push(piece);
      this.#earlyLength += piece.length;
      if (this.#earlyLength >= earlyBytes) this.#pause(true);
    },
    ack: (position) => {
      this.#confirm(position);
      this.#relieve();
      this.#settle();
    },
    fin: () => {
      if (this.#finReceived) throw new ProtocolError("Cannot end twice: the other side had ended before");
      this.#finReceived = true;
      this.#sendAck();
      if (this.#handlers && this.#earlyLength === 0) this.end();
      this.#settle();
    },
    ping: () => void this.#link?.write(pongFrame),
    pong: () => undefined,
    close: (position) => {
      if (position > this.#queue.sent + (this.#finSent ? 1 : 0)) throw ahead(position);
      this.gone(position);
    },
    bye: () => {
      if (!this.#finished) throw new ProtocolError("Cannot part: not all that was sent has been confirmed");
      this.#finish();
    },
  };

  #confirm(position: number): void {
    const all = this.#queue.written;
    const end = this.#finSent && position === all + 1;
    if (position > this.#queue.sent && !end) throw ahead(position);
    const bytes = end ? all : position;
    if (bytes < this.#queue.confirmed || (this.#finConfirmed && !end)) {
      throw new ProtocolError(`Cannot confirm up to ${position}: more has been confirmed before`);
    }
    if (bytes > this.#queue.confirmed) this.#queue.confirm(bytes);
    if (end) this.#finConfirmed = true;
  }

  // What this side says.

  get #full(): boolean {
    return !this.#link || this.#blocked || this.#queue.written - this.#queue.confirmed >= retainedBytes;
  }

  #pump(): void {
    while (this.#link && !this.#blocked) {
      const piece = this.#queue.take(pieceBytes);
      if (!piece) break;
      const { head, whole } = dataFrame(piece, this.#takeAck());
      this.#blocked = !(whole ? this.#link.write(head) : this.#link.writeBoth(head, piece));
    }
    if (this.#ending && !this.#finSent && this.#link && this.#queue.sent === this.#queue.written) {
      this.#finSent = true;
      this.#link.write(finFrame);
    }
    this.#relieve();
  }

  #relieve(): void {
    if (!this.#behind || this.#full || this.#closed || this.#queue.sent < this.#queue.written) return;
    if (this.#queue.written - this.#queue.confirmed > retainedBytes / 2) return;
    this.#behind = false;
    this.#handlers?.drain();
  }

  /** The position that is to be confirmed with what is sent now, if there is anything new in it. */
  #takeAck(): number | undefined {
    const { received } = this;
    if (received === this.#ackSent) return undefined;
    this.#ackSent = received;
    return received;
  }

  #sendAck(): void {
    const position = this.#link && this.#takeAck();
    if (position !== undefined) this.#link?.write(ackFrame(position));
  }

  readonly #ackNow = (): void => {
    this.#ackTimer = undefined;
    this.#sendAck();
  };

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
    while (this.#early.length > 0 && !this.#closed) {
      const piece = this.#early.shift()!;
      this.#earlyLength -= piece.length;
      this.#handlers?.data(piece);
    }
    if (this.#closed) return;
    this.#pause(this.#unwilling);
    if (this.#finReceived) this.end();
    this.#relieve();
    this.#settle();
  }

  // Ends.

  /** Both directions have ended, and all has arrived. */
  get #finished(): boolean {
    return this.#finConfirmed && this.#finReceived && this.#earlyLength === 0;
  }

  #settle(): void {
    if (!this.#finished || this.#over) return;
    this.#sendAck();
    this.#close(undefined);
    // The dialling side stays until it knows that its last ack has come: it alone can bring it once more.
    if (this.#options.silence !== "redial") this.#farewell(byeFrame);
  }

  /** The user is told, once; what it wrote is of no use any more. */
  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = error;
    this.#early = [];
    this.#link?.hold(false);
    this.#vigil.hold(false);
    this.#pause(false);
    this.#queue.clear();
    if (this.#handlers) this.#tell();
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    process.nextTick(() => this.#handlers?.close(this.#failure));
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
  get #asked(): boolean {
    if (this.#paused) return false;
    return this.#pinged || this.#queue.sent > this.#queue.confirmed || this.#finSent !== this.#finConfirmed;
  }

  #givenUp(): Error {
    const unread = this.#queue.sent < this.#queue.written;
    const message = `Cannot go on with a connection: it has been without a link for ${Math.round(this.#vigil.windowMs)} ms; see whether the other machine is up and can be reached`;
    return Object.assign(new Error(message), { code: "ETIMEDOUT", ...(unread ? { unread } : {}) });
  }
}

function ahead(position: number): ProtocolError {
  return new ProtocolError(`Cannot confirm up to ${position}: that much was not sent`);
}

/** As the kernel says it of a socket: the other side has closed, and what was written last was not read, or perhaps not. */
function lost(unread: boolean): Error {
  const error = new Error("Cannot go on with a connection: the other side has closed it");
  return Object.assign(error, { code: "ECONNRESET", ...(unread ? { unread } : {}) });
}
