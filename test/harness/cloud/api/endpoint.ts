import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exchange, type Shared } from "./exchange.ts";

export interface Endpoint {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves exchanges over HTTP until it is closed. */
export async function listen(shared: Shared, host: string): Promise<Endpoint> {
  const running = new Set<Promise<void>>();
  // Node's own deadlines would end what a test makes hang.
  const http = createServer(
    { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 600_000 },
    (request, response) => {
      response.on("error", () => undefined);
      const one = exchange(request, response, shared);
      running.add(one);
      void one.then(() => running.delete(one));
    },
  );
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  http.once("error", reject).listen(0, host, resolve);
  await listening;
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    async close() {
      const { promise, resolve: done } = Promise.withResolvers<void>();
      http.close(() => done());
      http.closeAllConnections();
      await promise;
      await Promise.all(running);
    },
  };
}
