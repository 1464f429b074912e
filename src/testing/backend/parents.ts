/** The parent ends, in every form, and what becomes of its machines. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { inheritedFlags } from "../../backends/local.ts";
import { systemClock } from "../../clock.ts";
import { Unable } from "../suite.ts";
import { settled, until } from "../until.ts";
import { finishesMs } from "./code.ts";
import type { BackendCase, BackendSubject } from "./subject.ts";

interface Parent {
  readonly machine: string;
  readonly pids: readonly number[];
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  kill(): void;
  /** Lets it exit, as "exits" says. */
  exit(): void;
}

const program = new URL(`./parent.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);

async function start(subject: BackendSubject, mode: string, onParentLoss: "kill" | "drain"): Promise<Parent> {
  const { module, bootMs } = subject.limits;
  if (module === undefined) throw new Unable("its maker gives no module, by which another process can be its parent");
  if (!subject.made.isAlive) throw new Unable("its maker gives no isAlive, which looks at machines from outside");
  const child = spawn(
    process.execPath,
    [...inheritedFlags(), fileURLToPath(program), module, mode, onParentLoss, String(bootMs)],
    {
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal })),
  );
  subject.later(async () => {
    child.kill("SIGKILL");
    await ended;
    child.stdio.forEach((stream) => stream?.destroy());
  });
  let [text, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  child.stdin.on("error", () => undefined);
  await until("a parent's machine", bootMs * 2, () => {
    assert.ok(text.includes("\n") || child.exitCode === null, `the parent has ended: ${errors}`);
    return text.includes("\n");
  });
  const { machine, pids } = JSON.parse(text.split("\n")[0]!) as Parent;
  return { machine, pids, ended, kill: () => void child.kill("SIGKILL"), exit: () => void child.stdin.end() };
}

async function gone(subject: BackendSubject, { machine, pids }: Parent, withinMs: number): Promise<void> {
  for (const pid of pids) await subject.vanishes(machine, pid, withinMs);
  await subject.vanishes(machine, undefined, withinMs);
}

export const parentCases: readonly BackendCase[] = [
  {
    name: "neither a listener nor a machine that boots keeps the parent alive, and the machine goes with it",
    async run(subject) {
      const parent = await start(subject, "booting", "kill");
      const { code } = await settled("the parent end by itself", subject.limits.endMs, parent.ended);
      assert.equal(code, 0);
      await gone(subject, parent, subject.limits.aloneMs);
    },
  },
  {
    name: "a machine that is up does not keep the parent alive, and goes with it",
    async run(subject) {
      const parent = await start(subject, "up", "kill");
      const { code } = await settled("the parent end by itself", subject.limits.endMs, parent.ended);
      assert.equal(code, 0);
      await gone(subject, parent, subject.limits.endMs);
    },
  },
  ...(["works", "exits"] as const).flatMap((mode): BackendCase[] => {
    const how = mode === "works" ? "that was killed" : "that exits, and says so by exitNow";
    const end = async (parent: Parent): Promise<void> => {
      if (mode === "works") parent.kill();
      else parent.exit();
      const { code, signal } = await parent.ended;
      assert.deepEqual(
        { code, signal },
        mode === "works" ? { code: null, signal: "SIGKILL" } : { code: 3, signal: null },
      );
    };
    return [
      {
        name: `a parent ${how}: a machine with onParentLoss "kill" is gone at once, with everything that it started`,
        async run(subject) {
          const parent = await start(subject, mode, "kill");
          await end(parent);
          await gone(subject, parent, subject.limits.endMs);
        },
      },
      {
        name: `a parent ${how}: a machine with onParentLoss "drain" finishes what it runs, and is gone then`,
        async run(subject) {
          const parent = await start(subject, mode, "drain");
          const runsAt = systemClock.now();
          await end(parent);
          await gone(subject, parent, subject.limits.endMs + finishesMs);
          const ranMs = systemClock.now() - runsAt;
          assert.ok(ranMs > finishesMs / 2, `it has run for ${Math.round(ranMs)} ms only, of ${finishesMs}`);
        },
      },
    ];
  }),
];
