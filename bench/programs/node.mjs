// The floor of a cold start: a Node that does nothing, spawned and waited for.
import { spawn } from "node:child_process";
import { once } from "node:events";

const start = performance.now();
await once(spawn(process.execPath, ["-e", "0"]), "exit");
console.log(performance.now() - start);
