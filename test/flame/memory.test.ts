import { expect, test } from "vitest";
import { runScript } from "../harness/script.ts";

const program = `import { flame, pool } from "tinderbox";
const own = pool("own", { max: 1 });
async function once(): Promise<void> {
  const bytes = new Uint8Array(1_000_000).fill(1);
  const call = flame(() => bytes.length, { pool: own });
  await call;
}
function held(): number {
  for (let turn = 0; turn < 3; turn++) globalThis.gc!();
  return process.memoryUsage().arrayBuffers;
}
for (let turn = 0; turn < 5; turn++) await once();
const before = held();
for (let turn = 0; turn < 40; turn++) await once();
console.log(Math.round((held() - before) / 1_000_000));
await own.close();
`;

test.each([
  ["at run time", []],
  ["by the hook", ["--import", "tinderbox/register"]],
])("what a call captured is let go of when it has ended, captured %s", async (_, flags) => {
  const { stdout, stderr } = await runScript(program, { execArgv: ["--expose-gc", ...flags] });
  expect(stderr).toBe("");
  // Megabytes, of forty that were sent.
  expect(Number(stdout)).toBeLessThan(5);
});
