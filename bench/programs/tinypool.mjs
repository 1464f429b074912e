import { Tinypool } from "tinypool";
import { measure } from "./measure.mjs";

const open = () =>
  new Tinypool({
    filename: new URL("add.mjs", import.meta.url).href,
    runtime: "child_process",
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: process.argv[2] === "throughput" ? 64 : 1,
  });
let pool;
console.log(await measure(process.argv[2], () => (pool ??= open()).run({ a: 4, b: 6 })));
await pool.destroy();
process.exit();
