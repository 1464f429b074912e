/** A server whose handler hands its heavy part to a runner. The runner does not become a second server. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { flame, pool } from "tinderbox";
import { primesBelow } from "./primes.ts";

const heavy = pool("heavy", { max: 2, timeout: "10s" });
let starts = 0;

const server = createServer((request, response) => {
  const limit = Number(new URL(request.url ?? "/", "http://localhost").searchParams.get("below") ?? 100);
  flame(({ runner }) => ({ count: primesBelow(limit), by: runner.id, pid: process.pid }), { pool: heavy })
    .then((answer) => response.end(JSON.stringify(answer)))
    .catch((error: Error) => response.writeHead(500).end(error.message));
});

// The top level of this file: it runs in the application and nowhere else, although closures of it run on runners.
server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address() as AddressInfo;
  console.log(`process ${process.pid} listens; start number ${++starts}`);

  const asked = fetch(`http://127.0.0.1:${port}/?below=3000000`);
  // The event loop is free meanwhile: a timer of 10 ms is not late by the time that the counting takes.
  const before = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(`a timer of 10 ms took ${Math.round(performance.now() - before)} ms while a runner counts`);

  const answer = (await (await asked).json()) as { count: number; by: string; pid: number };
  console.log(`${answer.count} primes, counted by ${answer.by} in process ${answer.pid === process.pid ? "here" : "of its own"}`);
  server.close();
});
