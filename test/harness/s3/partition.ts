import type { Socket } from "node:net";

export interface PartitionOptions {
  /** Whom it cuts off: an access key id, or a part of a User-Agent. Without it everyone. */
  readonly client?: string;
  /** Whether connections are reset, or requests left without an answer until `heal`. @default "refuse" */
  readonly mode?: "refuse" | "hang";
}

/** A network between clients and server that can be cut. */
export class Partition {
  #cut: PartitionOptions | undefined;
  #healed = Promise.withResolvers<void>();
  readonly #sockets = new Set<Socket>();

  /** Knows a new connection. One that a cut forbids is reset at once. */
  connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#cut && this.#cut.client === undefined && this.#cut.mode !== "hang") socket.destroy();
  }

  begin(options: PartitionOptions): void {
    this.#cut = options;
    this.#healed = Promise.withResolvers();
    if (options.client === undefined && options.mode !== "hang") for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#cut = undefined;
    this.#healed.resolve();
  }

  /** Resolves to whether a request may come in: at once, or when the network has healed. */
  async pass(socket: Socket, marks: readonly string[]): Promise<boolean> {
    const cut = this.#cut;
    if (!cut || (cut.client !== undefined && !marks.some((mark) => mark.includes(cut.client ?? "")))) return true;
    if (cut.mode === "hang") await this.#healed.promise;
    else socket.destroy();
    return cut.mode === "hang" && !socket.destroyed;
  }

  closeAll(): void {
    this.heal();
    for (const socket of this.#sockets) socket.destroy();
  }
}
