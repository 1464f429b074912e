/**
 * This side's direction of a resumable connection: what was written and has not been confirmed, kept by reference, so that it can be sent
 * again from any byte on. Its end counts as one more byte.
 */
import { ProtocolError } from "../errors.ts";

export class Retained {
  #chunks: (Uint8Array | undefined)[] = [];
  /** Of the oldest chunk: its index, and the position of its first byte among all that were ever written. */
  #oldest = 0;
  #oldestStart = 0;
  /** What is sent next: index of a chunk, and how much of it has been sent. */
  #next = 0;
  #sentOfNext = 0;
  #written = 0;
  #sent = 0;
  #confirmed = 0;
  #end: "none" | "due" | "sent" | "confirmed" = "none";

  /** Bytes ever written; those of them that are on the way by now; those that have arrived. */
  get written(): number {
    return this.#written;
  }
  get sent(): number {
    return this.#sent;
  }
  get confirmed(): number {
    return this.#confirmed;
  }

  /** What may have to be sent again, in bytes. */
  get kept(): number {
    return this.#written - this.#confirmed;
  }

  /** Something is on the way that the other side has not confirmed. */
  get asking(): boolean {
    return this.#sent > this.#confirmed || this.#end === "sent";
  }

  /** Nothing more can be written. */
  get ended(): boolean {
    return this.#end !== "none";
  }

  get endConfirmed(): boolean {
    return this.#end === "confirmed";
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#written += chunk.length;
  }

  end(): void {
    if (this.#end === "none") this.#end = "due";
  }

  /** The next bytes to send, up to so many; undefined when all are on the way. */
  take(most: number): Uint8Array | undefined {
    const chunk = this.#chunks[this.#next];
    if (chunk === undefined) return undefined;
    const left = chunk.length - this.#sentOfNext;
    const piece =
      this.#sentOfNext === 0 && left <= most
        ? chunk
        : chunk.subarray(this.#sentOfNext, this.#sentOfNext + Math.min(left, most));
    this.#sent += piece.length;
    if (left <= most) {
      this.#next++;
      this.#sentOfNext = 0;
    } else this.#sentOfNext += most;
    return piece;
  }

  /** Whether the end is what has to be sent now; the caller does so. */
  takeEnd(): boolean {
    if (this.#end !== "due" || this.#sent < this.#written) return false;
    this.#end = "sent";
    return true;
  }

  /** Throws for a position that the other side cannot have come to. */
  check(position: number): void {
    const most = this.#sent + (this.#end === "sent" || this.#end === "confirmed" ? 1 : 0);
    if (position > most) throw new ProtocolError(`Cannot confirm up to ${position}: that much was not sent`);
  }

  /** The other side has everything before this position. Throws when that cannot be, or was known before. */
  confirm(position: number): void {
    this.check(position);
    const end = position > this.#written;
    if (position < this.#confirmed + (this.endConfirmed ? 1 : 0)) {
      throw new ProtocolError(`Cannot confirm up to ${position}: more has been confirmed before`);
    }
    if (end) this.#end = "confirmed";
    this.#drop(end ? this.#written : position);
  }

  #drop(bytes: number): void {
    this.#confirmed = bytes;
    for (;;) {
      const chunk = this.#chunks[this.#oldest];
      if (chunk === undefined || this.#oldestStart + chunk.length > bytes) break;
      this.#oldestStart += chunk.length;
      this.#chunks[this.#oldest++] = undefined;
    }
    if (this.#oldest < 1_024 || this.#oldest * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#oldest);
    this.#next -= this.#oldest;
    this.#oldest = 0;
  }

  /** Sends again from the first byte that is not confirmed. */
  rewind(): void {
    this.#next = this.#oldest;
    this.#sentOfNext = this.#confirmed - this.#oldestStart;
    this.#sent = this.#confirmed;
    if (this.#end === "sent") this.#end = "due";
  }

  /** Forgets the bytes, not how many they were. */
  clear(): void {
    this.#chunks = [];
    this.#oldest = this.#next = this.#sentOfNext = 0;
  }
}
