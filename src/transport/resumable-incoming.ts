/** The other side's direction of a resumable connection: how far it has come, and what nobody has taken yet. */
import { ProtocolError } from "../errors.ts";

export class Incoming {
  #bytes = 0;
  #ended = false;
  #confirmed = 0;
  #kept: Buffer[] = [];
  #keptBytes = 0;

  /** Where the other side is to go on: how much has come, its end included. */
  get position(): number {
    return this.#bytes + (this.#ended ? 1 : 0);
  }

  /** How much has been handed over. */
  get delivered(): number {
    return this.#bytes - this.#keptBytes + (this.#ended && this.#keptBytes === 0 ? 1 : 0);
  }

  get unconfirmed(): number {
    return this.position - this.#confirmed;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  get ended(): boolean {
    return this.#ended;
  }

  came(bytes: number): void {
    if (this.#ended) throw new ProtocolError("Cannot take more bytes: the other side had ended before");
    this.#bytes += bytes;
  }

  end(): void {
    if (this.#ended) throw new ProtocolError("Cannot end twice: the other side had ended before");
    this.#ended = true;
  }

  /** For handlers that are not there yet. */
  keep(piece: Buffer): void {
    this.#kept.push(piece);
    this.#keptBytes += piece.length;
  }

  shift(): Buffer | undefined {
    const piece = this.#kept.shift();
    this.#keptBytes -= piece?.length ?? 0;
    return piece;
  }

  /** Forgets the bytes, not that nobody has taken them. */
  clear(): void {
    this.#kept = [];
  }

  /** The position that the other side is to be told now, if it does not know it yet. */
  takeAck(): number | undefined {
    if (this.unconfirmed === 0) return undefined;
    return (this.#confirmed = this.position);
  }
}
