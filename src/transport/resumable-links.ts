/** What a resumable connection goes over, and whoever makes it. */
import type { Connection } from "../ports/transport.ts";

/** One reliable stream of bytes that may break at any time. */
export interface Link extends Connection {
  /** Both in one write, where that is cheaper than two. */
  writeBoth(head: Uint8Array, body: Uint8Array): boolean;
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
