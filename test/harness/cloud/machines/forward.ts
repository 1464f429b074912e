import { connect, createServer, type Socket } from "node:net";

export interface Forward {
  close(): Promise<void>;
}

/** Passes connections to a port of `address` on to the same port of 127.0.0.1. */
export async function startForward(address: string, port: number): Promise<Forward> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.setNoDelay().pipe(other);
      one.on("error", () => other.resetAndDestroy());
      one.once("close", () => {
        sockets.delete(one);
        if (one.errored || !one.readableEnded) other.destroy();
      });
    }
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, address, resolve);
  await promise;
  return {
    async close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      await closed.promise;
    },
  };
}
