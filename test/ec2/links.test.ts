/** Connections between a parent and its machine break, and the network goes and comes back, again and again. */
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { setTimeout as pass } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { useBench } from "./bench.ts";
import { useParents } from "./parents.ts";

const bench = useBench();
const { start, launched } = useParents(bench);

/** Resets all connections to an address, wherever in a frame they are; how many there were. */
async function reset(address: string): Promise<number> {
  const { stdout } = await promisify(execFile)("ss", ["-H", "-K", "-t", "dst", address]);
  return stdout.split("\n").filter((line) => line.startsWith("ESTAB")).length;
}

test.each(["runner", "parent"])(
  "where the %s dials, a hundred calls over connections that break all the time are each made once",
  async (dial) => {
    const pool = `cut-${dial}`;
    const script = start(
      pool,
      `
const { randomBytes, createHash } = await import("node:crypto");
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
await flame(() => console.log("in it"), { pool: own });
let wrong = 0;
const call = async (number) => {
  const bytes = randomBytes(1 + number * 1000);
  const back = await flame(async () => {
    const { appendFileSync } = await import("node:fs");
    appendFileSync("/tmp/made", number + "\\n");
    await new Promise((r) => setTimeout(r, 150));
    return bytes;
  }, { pool: own });
  if (digest(back) !== digest(bytes)) wrong++;
};
const callers = [0, 1, 2, 3].map(async (caller) => {
  for (let number = caller; number < 100; number += 4) await call(number);
});
await Promise.all(callers);
const made = await flame(async () => (await import("node:fs")).readFileSync("/tmp/made", "utf8"), { pool: own });
const numbers = made.trim().split("\\n");
console.log("made", numbers.length, new Set(numbers).size, wrong, own.stats().boots.ok);
await own.close();
`,
      { ec2: { dial }, pool: { concurrency: 4 } },
    );
    await script.see(/\] in it/, { within: 100_000 });
    const { id, privateIp } = await launched(pool);
    const machine = bench.site.cloud.machine(id)!;
    let over = false;
    void script.finished.catch(() => undefined).finally(() => (over = true));
    let broken = 0;
    for (let round = 1; !over && !script.stdout.includes("\nmade "); round++) {
      await pass(randomInt(20, 600));
      broken += await reset(privateIp);
      if (round % 8 !== 0) continue;
      // Nobody is told of this one.
      await machine.partition(true);
      await pass(randomInt(100, 700));
      await machine.partition(false);
      await pass(1_000);
    }
    const { code, stdout, stderr } = await script.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^made 100 100 0 1$/m);
    console.log(`${broken} connections were broken`);
    expect(broken).toBeGreaterThan(10);
  },
  150_000,
);
