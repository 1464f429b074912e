import { flame, pool } from "tinderbox";
import { setTimeout as sleep } from "node:timers/promises";
const own = pool("speed", { max: 1, concurrency: 2, timeout: "5m" });
await flame(() => 1, { pool: own });
const MB = 1024 * 1024;
async function measure(name: string, bytes: number, run: () => Promise<void>) {
  const t = performance.now(); const c0 = process.cpuUsage();
  await run();
  const ms = performance.now() - t; const c = process.cpuUsage(c0);
  console.log(name, Math.round(bytes / MB / ms * 1000), "MB/s", "parent cpu", Math.round((c.user + c.system) / 1000 / ms * 100) + "%");
}
for (const kb of [16, 64, 256, 1024]) {
  const size = kb * 1024; const count = 512 * MB / size;
  await measure(`generator ${kb}K`, 512 * MB, async () => {
    let n = 0;
    for await (const chunk of flame(function* () { const b = new Uint8Array(size); for (let i = 0; i < count; i++) yield b; }, { pool: own })) n += chunk.length;
    if (n !== 512 * MB) throw new Error("n");
  });
}
await measure("one result 512 MB", 512 * MB, async () => { await flame(() => new Uint8Array(512 * MB), { pool: own }); });
await measure("results 8 x 64 MB", 512 * MB, async () => { for (let i = 0; i < 8; i++) await flame(() => new Uint8Array(64 * MB), { pool: own }); });
{
  const size = 64 * 1024; const count = 512 * MB / size;
  await measure("captured ReadableStream 64K", 512 * MB, async () => {
    let i = 0;
    const s = new ReadableStream({ pull(c) { if (i++ < count) c.enqueue(new Uint8Array(size)); else c.close(); } });
    await flame(async () => { for await (const _ of s); }, { pool: own });
  });
  await measure("captured WritableStream 64K", 512 * MB, async () => {
    const s = new WritableStream({ write() {} });
    await flame(async () => { const w = s.getWriter(); const b = new Uint8Array(size); for (let i = 0; i < count; i++) await w.write(b); await w.close(); }, { pool: own });
  });
}
{
  const t = performance.now(); let n = 0; const N = 500000;
  for await (const _ of flame(function* () { for (let i = 0; i < N; i++) yield i; }, { pool: own })) n++;
  console.log("tiny items/s", Math.round(N / (performance.now() - t) * 1000));
  const t2 = performance.now();
  const f = await flame(() => (n: number) => n + 1, { pool: own });
  for (let i = 0; i < 10000; i++) await f(i);
  console.log("sequential calls/s", Math.round(10000 / (performance.now() - t2) * 1000));
  f[Symbol.dispose]();
}
await own.close();
