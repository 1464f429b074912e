// What a thousand machines cost their parent: endpoint and machines are played, TLS and all that the parent does are real.
import { measureScale } from "../../test/ec2/scale/measure.ts";

const count = Number(process.argv[2]);
const { calls, throttled, troubles, rss, rssBefore, heap, rising, steady, cpuShare, ...times } =
  await measureScale(count);
if (troubles.length > 0) throw new Error(troubles.join("\n"));
const round = (number: number): string => number.toFixed(number < 10 ? 1 : 0);
console.log(`launched after ${round(times.launchedMs)} ms, gone ${round(times.closedMs)} ms after close`);
console.log(`requests ${JSON.stringify(calls)}, throttled ${throttled}`);
console.log(`parent: ${round(rss)} MB (${round(rssBefore)} before), heap ${round(heap)} MB`);
console.log(`event loop, ms: p99 ${round(rising.p99)}, max ${round(rising.max)} while they come in`);
console.log(`p99 ${round(steady.p99)} with all of them up, ${round(100 * cpuShare)} % of a core`);
console.log(times.readyMs);
