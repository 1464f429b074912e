/** An application that wants many machines at once, and looks at itself meanwhile. argv: how many. Prints one line of JSON when all are gone. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { ec2, type Ec2Options } from "../../../src/ec2.ts";
import { events, pool } from "../../../src/index.ts";

const count = Number(process.argv[2]);
const options = JSON.parse(process.env["OPTIONS"]!) as Ec2Options;
const megabytes = (): number => process.memoryUsage().rss / 2 ** 20;
const troubles: string[] = [];
events.on("backend.trouble", ({ error }) => void troubles.push(String(error)));
events.on("boot.failed", ({ error }) => {
  troubles.push(error.message);
  console.error(error.message);
});

const rssBefore = megabytes();
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const since = performance.now();
const { promise: allReady, resolve } = Promise.withResolvers<void>();
let [launched, ready, launchedMs] = [0, 0, 0];
events.on("boot.phase", ({ phase }) => {
  if (phase === "launched" && ++launched === count) launchedMs = performance.now() - since;
});
events.on("runner.ready", () => ++ready === count && resolve());
const many = pool("many", {
  backend: ec2(options),
  min: count,
  max: count,
  processes: 1,
  bootTimeout: "5m",
  drainTimeout: "30s",
});
void many.start();
// Its process is not to end while nothing but machines is waited for.
const hold = setInterval(() => {}, 1_000);
await allReady;
const readyMs = performance.now() - since;
const peak = { rss: megabytes(), heap: process.memoryUsage().heapUsed / 2 ** 20 };
const rising = { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
delay.reset();
// With all of them up: what their beats cost.
const { user, system } = process.cpuUsage();
await new Promise((done) => setTimeout(done, 5_000));
const after = process.cpuUsage({ user, system });
const steady = { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
const closing = performance.now();
await many.close();
const closedMs = performance.now() - closing;
clearInterval(hold);
const cpuShare = (after.user + after.system) / 1e6 / 5;
console.log(
  JSON.stringify({
    launchedMs,
    readyMs,
    closedMs,
    rssBefore,
    rss: peak.rss,
    heap: peak.heap,
    rising,
    steady,
    cpuShare,
    troubles,
  }),
);
