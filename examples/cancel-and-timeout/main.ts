/** Three ways for a call to end early, and what becomes of its runner. */
import { setTimeout as sleep } from "node:timers/promises";
import { AbortError, CallTimeoutError, QueueTimeoutError, context, flame, pool } from "tinderbox";

const small = pool("small", { max: 1, timeout: "5s" });

/** Code deep inside of a call finds its signal by itself. */
async function patient(ms: number): Promise<string> {
  await sleep(ms, undefined, { signal: context().signal });
  return `slept ${ms} ms`;
}

console.log(await flame(() => patient(20), { pool: small }));

// The caller gives up. It is told at once; the closure is told by `context().signal`.
const caller = new AbortController();
const abandoned = flame(() => patient(60_000), { pool: small, signal: caller.signal });
setTimeout(() => caller.abort(new Error("the user went home")), 50);
await abandoned.catch((error: unknown) => {
  if (!(error instanceof AbortError)) throw error;
  console.log(`${error.name}: ${error.message} (${String(error.cause)})`);
});

// The closure takes too long. `timeout` counts execution only, neither queue nor boot.
await flame(() => patient(60_000), { pool: small, timeout: "100ms", name: "report" }).catch((error: unknown) => {
  if (!(error instanceof CallTimeoutError)) throw error;
  console.log(`${error.name}: ${error.message}`);
});

// No slot comes free in time. This one has not started, and says so.
const first = flame(() => patient(300), { pool: small });
await flame(() => "never runs", { pool: small, queueTimeout: "100ms", name: "late" }).catch((error: unknown) => {
  if (!(error instanceof QueueTimeoutError)) throw error;
  console.log(`${error.name}: ${error.message}; started: ${error.started}`);
});

console.log(await first);
const { boots, completed, failed } = small.stats();
console.log(`${completed} completed, ${failed} failed, all on ${boots.ok} runner`);
