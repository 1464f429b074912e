/** The transport within this process, which remembers what was written: the example by which the suite is shown to bite. */
import * as memory from "../../src/transport/memory.ts";
import type { Transport } from "./transport.ts";

export class MemoryConnection extends memory.MemoryConnection {
  declare peer: MemoryConnection;
  /** What was written, one entry per write. */
  readonly writes: Uint8Array[] = [];

  override write(chunk: Uint8Array): boolean {
    if (!this.closed && !this.out.ended) this.writes.push(chunk);
    return super.write(chunk);
  }
}

export const memoryPair = (): [MemoryConnection, MemoryConnection] => memory.memoryPair(() => new MemoryConnection());

export const memoryTransport = (): Transport => memory.memoryTransport(memoryPair);
