import { flame, pool } from "tinderbox";
import { readFileSync } from "node:fs";
const count = Number(process.argv[2] ?? 1e6);
const max = Number(process.argv[3] ?? 2);
const ordered = process.argv[4] !== "unordered";
const own = pool("own", { max });
function* many(n: number) { for (let i = 0; i < n; i++) yield i; }
const rss = (pid: number | "self") => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024);
const pid = await flame(() => process.pid, { pool: own });
let n = 0; let sum = 0; const t = performance.now(); let last = t;
const samples: string[] = [];
for await (const r of flame.map(many(count), (n) => n + 1, { pool: own, ordered })) {
  sum += r;
  if (++n % (count / 10) === 0) { const now = performance.now(); samples.push(`${rss("self")}/${rss(pid)} ${Math.round(count/10/(now-last))}k/s`); last = now; }
}
const s = (performance.now() - t) / 1000;
console.log(n, sum === count*(count+1)/2, `${Math.round(n / s)} items/s`, `${s.toFixed(1)} s`);
console.log(samples.join("\n"));
console.log(own.stats());
await own.close();
