import { Piscina } from "piscina";
import { measure } from "./measure.mjs";

const mode = process.argv[2];
const open = () =>
  new Piscina({
    filename: new URL("add.mjs", import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: mode === "throughput" ? 64 : 1,
    atomics: "disabled",
  });
let pool;
console.log(await measure(mode, () => (pool ??= open()).run({ a: 4, b: 6 })));
await pool.destroy();
