import { flame, pool } from "tinderbox";
import { measure } from "./measure.mjs";

const bench = pool("bench", { max: 1, concurrency: 64 });
const options = { pool: bench };
const a = 4;
const b = 6;
console.log(await measure(process.argv[2], () => flame(() => a + b, options)));
await bench.close();
