/** Handles that closures capture: on the runner they are pools of that machine's own. */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryExitError, binary, flame, runner } from "tinderbox";
import { until } from "../../../harness/until.ts";
import type { Case } from "../../../live/case.ts";
import { ownPool } from "../../../live/own-pool.ts";
import { runs } from "../runs.ts";
import { shared } from "./shared.ts";

const cat = binary("case-cat", { command: "cat" });
const sh = binary("case-sh", { command: "sh", args: ["-c"], env: { OWN: "of the binary" } });
const least = 1;
const echo = binary("case-echo", {
  command: "sh",
  args: ["-c", 'while read -r line; do echo "{\\"pid\\":$$,\\"line\\":$line}"; done'],
  protocol: "jsonl",
  size: 2,
  health: { every: "1h", probe: async (call) => Object.keys((await call(0)) as object).length >= least },
});
const here = (await import("node:path")).basename(import.meta.filename);

export const cases: readonly Case[] = [
  {
    name: "a captured one-shot binary runs there, with its options",
    async run({ pool }) {
      const [at, out, env] = await flame(
        async () => {
          const copied = await cat.run([], { input: "there", encoding: "utf8" });
          const { stdout } = await sh.run(['echo "$OWN $PPID"'], { encoding: "utf8" });
          return [runner()?.id, copied.stdout, stdout, here] as const;
        },
        { pool },
      );
      assert.equal(typeof at, "string");
      assert.equal(out, "there");
      const [, parent] = /^of the binary (\d+)\n$/.exec(env!) ?? [];
      assert(parent !== undefined && Number(parent) !== process.pid, env);
    },
  },
  {
    name: "captured workers stay up there from call to call, and are others than the parent's",
    async run({ pool }) {
      const ask = (n: number) => flame(async () => (await echo.call(n)) as { pid: number; line: number }, { pool });
      const [first, second] = [await ask(1), await ask(2)];
      assert.deepEqual([first.line, second.line], [1, 2]);
      const stats = await flame(() => echo.stats(), { pool });
      assert.equal(stats.completed, 2);
      const own = (await echo.call(3)) as { pid: number };
      assert(![first.pid, second.pid].includes(own.pid));
      assert.equal(echo.stats().completed, 1);
      await echo.close();
    },
  },
  {
    name: "errors arrive as what they are, with their facts and the place of the call",
    async run({ pool }) {
      const error = await flame(() => sh.run(["echo bad >&2; exit 3"]), { pool }).catch((e: unknown) => e);
      assert(error instanceof BinaryExitError);
      assert.deepEqual([error.exitCode, error.stderr, error.binary, error.started], [3, "bad\n", "case-sh", true]);
      assert.match(error.stack ?? "", /runner\.ts:\d+/);
    },
  },
  {
    name: "a module that declares binaries may be imported there, and is the one that counts",
    async run({ pool }) {
      const [imported, captured] = await flame(
        async () => {
          const first = await shared.call("x");
          return [first, shared.stats().completed >= 1] as const;
        },
        { pool },
      );
      assert.deepEqual([imported, captured], ["x", true]);
      assert.equal(shared.stats().completed, 0);
    },
  },
  {
    name: "an inner call of flame takes the handle on to its own runner",
    async run() {
      await ownPool({ max: 2, concurrency: 2 }, async (own) => {
        const out = await flame(async () => flame(async () => (await cat.run([], { input: "inner", encoding: "utf8" })).stdout), {
          pool: own,
        });
        assert.equal(out, "inner");
      });
    },
  },
  {
    name: "the end of a call is the end of what it runs",
    timeout: 30_000,
    async run({ pool }) {
      const where = join(mkdtempSync(join(tmpdir(), "case-")), "pid");
      const { existsSync, readFileSync } = await import("node:fs");
      const controller = new AbortController();
      const call = flame(
        async () => {
          await sh.run([`echo $$ >${where}.new; mv ${where}.new ${where}; exec sleep 1000`]);
        },
        { pool, signal: controller.signal },
      );
      await until("the program", () => existsSync(where));
      const pid = Number(readFileSync(where, "utf8"));
      controller.abort();
      await assert.rejects(call, { code: "ABORT_ERR" });
      await until("its end", () => !runs(pid));
    },
  },
  {
    name: "the end of a runner is the end of its workers, also when it is killed",
    timeout: 40_000,
    async run() {
      let pids: number[] = [];
      await ownPool({ max: 1 }, async (own) => {
        const ask = () => flame(async () => ((await echo.call(1)) as { pid: number }).pid, { pool: own });
        pids.push(await ask());
        await flame(() => process.kill(process.pid, "SIGKILL"), { pool: own }).catch(() => {});
        await until("the end of the first", () => !runs(pids[0]!));
        pids.push(await ask());
      });
      await until("the end of all", () => !pids.some(runs));
    },
  },
];
