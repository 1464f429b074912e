import { expect, test } from "vitest";
import { runScript } from "../harness/script.ts";

/** Prints by how many megabytes parent and runner have grown since the first part of so many items. */
const program = `import { readFileSync } from "node:fs";
import { flame, pool } from "tinderbox";
const own = pool("own", { max: 1 });
const items = 10_000_000;
const part = items / 10;
function* numbers() {
  for (let n = 0; n < items; n++) yield n;
}
const residentMb = (pid: number | "self"): number =>
  Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync(\`/proc/\${pid}/status\`, "utf8"))![1]) / 1024;
const pid = await flame(() => process.pid, { pool: own });
let [count, sum, first, grown] = [0, 0, [0, 0], [0, 0]];
for await (const n of flame.map(numbers(), (n) => n + 1, { pool: own })) {
  sum += n;
  if (++count % part !== 0) continue;
  const now = [residentMb("self"), residentMb(pid)];
  if (count === part) first = now;
  grown = grown.map((most, index) => Math.max(most, Math.round(now[index]! - first[index]!)));
}
console.log(JSON.stringify({ right: sum === (items * (items + 1)) / 2, count, grown }));
await own.close();
`;

test("ten million items pass through a map, and neither side grows", { timeout: 300_000 }, async () => {
  // With a young generation that does not grow by itself, memory that grows is memory that is kept.
  const execArgv = ["--max-semi-space-size=4"];
  const { stdout, stderr } = await runScript(program, { timeout: 290_000, execArgv });
  expect(stderr).toBe("");
  const { right, count, grown } = JSON.parse(stdout) as { right: boolean; count: number; grown: [number, number] };
  expect([right, count]).toEqual([true, 10_000_000]);
  expect(Math.max(...grown), `${grown.join(" and ")} MB`).toBeLessThan(64);
});
