import type { Connection, ConnectionHandlers, Listener } from "../../src/ports/transport.ts";
import type { Transport } from "./transport.ts";

const highWaterBytes = 64 * 1024;

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
  /** What was written, one entry per write. */
  readonly writes: Uint8Array[] = [];
  readonly out: Way = { chunks: [], bytes: 0, blocked: false, ended: false, over: false };
  held = true;
  /** While true nothing leaves: the other side is behind. */
  stuck = false;

  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
    setImmediate(() => {
      this.peer.deliver();
      this.tell();
    });
  }

  write(chunk: Uint8Array): boolean {
    if (this.closed || this.out.ended) return true;
    this.writes.push(chunk);
    this.out.chunks.push(Buffer.from(chunk));
    this.out.bytes += chunk.length;
    this.later();
    if (this.out.bytes > highWaterBytes) this.out.blocked = true;
    return !this.out.blocked;
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
    setImmediate(() => this.deliver());
  }

  /** Gives the other side what it has not got yet. */
  deliver(): void {
    const { out, peer } = this;
    for (let chunk = this.#next(); chunk; chunk = this.#next()) {
      out.bytes -= chunk.length;
      if (chunk.length > 0) peer.handlers!.data(chunk);
    }
    if (this.closed || !peer.handlers || this.stuck) return;
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
    return this.closed || !this.peer.handlers || this.stuck ? undefined : this.out.chunks.shift();
  }

  close(): void {
    this.closed = true;
    this.out.chunks.length = 0;
    setImmediate(() => this.tell());
  }

  tell(): void {
    if (!this.closed || this.told || !this.handlers) return;
    this.told = true;
    this.handlers.close();
  }
}

export function memoryPair(): [MemoryConnection, MemoryConnection] {
  const [one, other] = [new MemoryConnection(), new MemoryConnection()];
  one.peer = other;
  other.peer = one;
  return [one, other];
}

/** A transport within this process: the example by which the suite is shown to bite. */
export function memoryTransport(): Transport {
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
      const [dialled, accepted] = memoryPair();
      accept(accepted);
      return dialled;
    },
  };
}
