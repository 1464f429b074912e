/** What was written and has not been confirmed: kept by reference, so that it can be sent again from any byte on. */
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

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#written += chunk.length;
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

  /** The first so many bytes have arrived, which is more than before and no more than were sent. */
  confirm(bytes: number): void {
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
  }

  /** Forgets the bytes, not how many they were. */
  clear(): void {
    this.#chunks = [];
    this.#oldest = this.#next = this.#sentOfNext = 0;
  }
}
