import { flame, pool } from "tinderbox";
import { remoteBackend } from "./remote-backend.ts";

const backend = remoteBackend();
const runners = pool("far", { backend, max: 1 });
const secret = 42;
console.log(await flame(() => [secret, process.pid, process.cwd()], { pool: runners }));
const started = performance.now();
for (let index = 0; index < 200; index++) await flame(() => index, { pool: runners });
console.log("warm", (performance.now() - started) / 200, "ms");
const big = new Uint8Array(64 * 1024 * 1024).fill(7);
const t = performance.now();
console.log(await flame(() => big.length, { pool: runners }), "64 MB there", performance.now() - t);
const t2 = performance.now();
console.log(
  (await flame(() => new Uint8Array(64 * 1024 * 1024).fill(3), { pool: runners })).length,
  "64 MB back",
  performance.now() - t2,
);
await flame(() => console.log("hello from", process.pid), { pool: runners });
await runners.close();
console.log(
  "closed",
  backend.machines.map(({ process }) => [process.exitCode, process.signalCode]),
);
