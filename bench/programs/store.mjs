// Updates a second of one cell, over a server of S3 whose writes take 100 ms: one after the other, or all at the same time.
import { openStore } from "tinderbox/store";
import { startS3 } from "../../test/harness/s3/server.ts";

const [mode] = process.argv.slice(2);
const s3 = await startS3({ buckets: ["bench"], latencyMs: { read: 30, write: 100 } });
const { endpoint, region, credentials } = s3;
const store = openStore("s3://bench", { endpoint, region, credentials });
const cell = store.cell("count", { initial: 0 });
await cell.update((count) => count + 1);
const updates = mode === "together" ? 1_000 : 10;
const began = performance.now();
s3.requests.clear();
if (mode === "together") await Promise.all(Array.from({ length: updates }, () => cell.update((count) => count + 1)));
else for (let round = 0; round < updates; round++) await cell.update((count) => count + 1);
const seconds = (performance.now() - began) / 1_000;
if ((await cell.get()) !== updates + 1) throw new Error("an update was lost");
console.log(`${updates} updates in ${s3.requests.count("PutObject")} writes`);
await store.close();
await s3.dispose();
console.log(updates / seconds);
