/**
 * A stream of bytes between a parent and a runner, already connected, not yet authenticated.
 *
 * - `write` takes the chunk over: it must not be changed until it has left. It returns false when the other side is
 *   behind; `handlers.drain` says when to go on. Writing to a closed connection does nothing.
 * - `end` flushes what was written, then closes. `destroy` closes at once. Both are idempotent.
 * - `pause(true)` stops reading: what was read already may still come, and the other side is soon told that this one is behind. The end
 *   of a paused connection may be told only when it goes on. `pause(false)` goes on.
 * - `handlers.data` gets chunks in order; a chunk belongs to the receiver. `handlers.close` is called exactly once,
 *   after the last data, with the error if there was one; a clean end has none. `unread: true` on the error means
 *   that the other side has certainly not read the last byte that was written; without it nobody knows.
 */
export interface Connection {
  attach(handlers: ConnectionHandlers): void;
  write(chunk: Uint8Array): boolean;
  pause(paused: boolean): void;
  end(): void;
  destroy(): void;
  /** Whether this connection alone keeps the process alive. */
  hold(alive: boolean): void;
}

export interface ConnectionHandlers {
  data(chunk: Buffer): void;
  drain(): void;
  close(error?: Error): void;
}

/** Where runners dial in. `close` refuses new ones and removes what `listen` made on disk; it is idempotent. */
export interface Listener {
  readonly address: string;
  close(): void;
}
