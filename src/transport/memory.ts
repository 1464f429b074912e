/** Connections within one process: for machines that are none, and for tests. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Connection, ConnectionHandlers, Listener } from "../ports/transport.ts";

const highWaterBytes = 64 * 1024;

/** What arrives at one side does not run in the context in which the other one has sent it. */
const outside = AsyncLocalStorage.snapshot();
const soon = (act: () => void): void => outside(() => void setImmediate(act));

/** Bytes on their way from one end to the other. */
interface Way {
  readonly chunks: Buffer[];
  bytes: number;
  blocked: boolean;
  ended: boolean;
  /** The other side knows that it has ended. */
  over: boolean;
}

/** One end of a connection within this process. Nothing arrives before the tick that sent it is over. */
export class MemoryConnection implements Connection {
  peer!: MemoryConnection;
  handlers: ConnectionHandlers | undefined;
  closed = false;
  told = false;
  readonly out: Way = { chunks: [], bytes: 0, blocked: false, ended: false, over: false };
  held = true;
  /** While true nothing leaves: the other side is behind. */
  stuck = false;
  /** While true nothing is taken. */
  paused = false;

  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
    soon(() => {
      this.peer.deliver();
      this.tell();
    });
  }

  write(chunk: Uint8Array): boolean {
    if (this.closed || this.out.ended) return true;
    // Copied: as behind any other connection, nothing is shared by both sides.
    this.out.chunks.push(Buffer.from(chunk));
    this.out.bytes += chunk.length;
    this.later();
    if (this.out.bytes > highWaterBytes) this.out.blocked = true;
    return !this.out.blocked;
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) this.peer.later();
  }

  end(): void {
    if (this.closed) return;
    this.out.ended = true;
    this.later();
  }

  destroy(): void {
    if (this.closed) return;
    this.close();
    this.peer.close();
  }

  hold(alive: boolean): void {
    this.held = alive;
  }

  /** Goes on after `stuck`. */
  release(): void {
    this.stuck = false;
    this.later();
  }

  later(): void {
    soon(() => this.deliver());
  }

  /** Gives the other side what it has not got yet. */
  deliver(): void {
    const { out, peer } = this;
    for (let chunk = this.#next(); chunk; chunk = this.#next()) {
      out.bytes -= chunk.length;
      if (chunk.length > 0) peer.handlers!.data(chunk);
    }
    if (this.closed || !peer.handlers || peer.paused || this.stuck) return;
    if (out.blocked) {
      out.blocked = false;
      this.handlers?.drain();
    }
    if (!out.ended || out.chunks.length > 0 || out.over) return;
    out.over = true;
    // The other side has nobody left to talk to; it ends once it has said what it had to say.
    if (peer.out.over) for (const end of [this, peer]) end.close();
    else peer.end();
  }

  #next(): Buffer | undefined {
    const { closed, stuck, peer, out } = this;
    return closed || stuck || !peer.handlers || peer.paused ? undefined : out.chunks.shift();
  }

  close(): void {
    this.closed = true;
    this.out.chunks.length = 0;
    soon(() => this.tell());
  }

  tell(): void {
    if (!this.closed || this.told || !this.handlers) return;
    this.told = true;
    this.handlers.close();
  }
}

/** Two ends, each made by `make`. */
export function memoryPair<C extends MemoryConnection = MemoryConnection>(
  make: () => C = () => new MemoryConnection() as C,
): [C, C] {
  const [one, other] = [make(), make()];
  one.peer = other;
  other.peer = one;
  return [one, other];
}

/** Listeners of this process, and the dial to them. */
export interface MemoryTransport {
  listen(accept: (connection: Connection) => void): Promise<Listener>;
  /** @throws Error where nobody listens. */
  dial(address: string): Promise<Connection>;
}

/** `pair`: makes both ends of a connection, the one that has dialled first. */
export function memoryTransport(pair: () => [MemoryConnection, MemoryConnection] = memoryPair): MemoryTransport {
  const listeners = new Map<string, (connection: Connection) => void>();
  let made = 0;
  return {
    async listen(accept): Promise<Listener> {
      const address = `memory ${++made}`;
      listeners.set(address, accept);
      return { address, close: () => void listeners.delete(address) };
    },
    async dial(address) {
      const accept = listeners.get(address);
      if (!accept) throw new Error(`Cannot connect to ${address}: nobody listens`);
      const [dialled, accepted] = pair();
      accept(accepted);
      return dialled;
    },
  };
}
