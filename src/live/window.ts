/** How much of a stream may be under way, and what counts for how much: the same on both sides. */
import type { Payload } from "../value/port.ts";

/** What may be under way and not yet read, in bytes. One item more than this is the most that either side keeps. */
export const windowBytes = 1024 * 1024;

/**
 * What an item counts for besides its own bytes, each reference as much again: small ones cost memory as well, and a
 * producer is to be some thousand of them ahead at most.
 */
const itemBytes = 512;

export function weigh({ bytes, buffers, live, references }: Payload): number {
  const mentions = references?.length ?? live?.length ?? 0;
  return buffers.reduce((sum, buffer) => sum + buffer.byteLength, bytes.length + itemBytes * (1 + mentions));
}

/**
 * What has come and is not used up yet. A sender may begin an item while it has any credit left; one that goes on beyond
 * that does not keep to the protocol. One window more is let pass: a stream that was dropped and came again was given
 * credit twice.
 */
export class Allowance {
  #left = 2 * windowBytes;

  /** False when it came without credit. */
  take(bytes: number): boolean {
    if (this.#left <= 0) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left = Math.min(2 * windowBytes, this.#left + bytes);
  }
}
