/** A server whose handler hands its heavy part to a runner. The runner does not become a second server. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { flame, pool } from "tinderbox";
import { primesBelow } from "./primes.ts";

const heavy = pool("heavy", { max: 2, timeout: "10s" });
let starts = 0;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  if (pathname === "/ping") return void response.end("pong");
  const limit = Number(searchParams.get("below") ?? 100);
  flame(({ runner }) => ({ count: primesBelow(limit), by: runner.id, pid: process.pid }), { pool: heavy })
    .then((answer) => response.end(JSON.stringify(answer)))
    .catch((error: Error) => response.writeHead(500).end(error.message));
});

// The top level of this file: it runs in the application and nowhere else, although closures of it run on runners.
server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address() as AddressInfo;
  console.log(`listening, start number ${++starts}`);

  // One slow request, and quick ones until it is answered: the event loop of the server stays free.
  let slow: { count: number; by: string; pid: number } | undefined;
  const counting = fetch(`http://127.0.0.1:${port}/primes?below=3000000`).then(async (response) => {
    slow = (await response.json()) as typeof slow;
  });
  let pings = 0;
  for (; !slow; pings++) await (await fetch(`http://127.0.0.1:${port}/ping`)).text();
  await counting;
  console.log(
    `${slow.count} primes, counted by ${slow.by} in ${slow.pid === process.pid ? "this" : "another"} process`,
  );
  console.log(`${pings > 3 ? "many" : "few"} pings were answered meanwhile`);
  server.close();
});
