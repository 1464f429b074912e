import workerpool from "workerpool";
import { measure } from "./measure.mjs";

if (!process.send) {
  const open = () => workerpool.pool(import.meta.filename, { minWorkers: 1, maxWorkers: 1, workerType: "process" });
  let pool;
  console.log(await measure(process.argv[2], () => (pool ??= open()).exec("add", [4, 6])));
  await pool.terminate();
} else {
  workerpool.worker({ add: (a, b) => a + b });
}
