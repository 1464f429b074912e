/**
 * The failure matrix: silence. A process that is stopped (SIGSTOP) is the local form of a network partition: the other
 * side hears nothing, and cannot know whether it will ever come back. The cases wait side by side.
 */
import { appendFileSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Backend, type Pool, RunnerLostError, flame, local, pool } from "tinderbox";
import { describe, expect, test } from "vitest";
import { startScript } from "../../harness/script.ts";
import { until } from "../../harness/until.ts";
import { alive, failure, gone, room, wait } from "../lab.ts";

const stoppedParent = fileURLToPath(new URL("../programs/stopped-parent.ts", import.meta.url));
/** Three beats, and more. */
const windowMs = 4_500;
const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Local runners, and how many signs of life they have given. */
function heard(): { readonly backend: Backend; beats(): number } {
  const good = local();
  let beats = 0;
  return {
    beats: () => beats,
    backend: {
      ...good,
      boot: (request) =>
        good.boot({
          ...request,
          phase: (name) => request.phase(name),
          output: (stream, line) => request.output(stream, line),
          beat: () => {
            beats++;
            request.beat();
          },
        }),
    },
  };
}

/** A call that notes each of its attempts and runs until "go". */
function noted(own: Pool, idempotent: boolean) {
  const { path, lines, say } = room();
  const [note, gate] = [path("attempts"), path("go")];
  const call = flame(
    async ({ runner }) => {
      appendFileSync(note, `${runner.attempt}\n`);
      while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
      return process.pid;
    },
    { pool: own, idempotent, timeout: "1m" },
  );
  return { call, attempts: () => lines("attempts"), go: () => say("go") };
}

describe.concurrent(
  "network partition longer than the window: both sides let go; no call is run twice unless idempotent",
  () => {
    test("a runner that is stopped is lost after three missed beats, and its process is gone; others never notice", async () => {
      const { backend, beats } = heard();
      const own = pool("stopped", { max: 2, concurrency: 3, backend });
      const doomed = wait(own);
      const pid = await doomed.running;
      const [once, again] = [noted(own, false), noted(own, true)];
      const others = [wait(own), wait(own), wait(own)];
      const [other] = await Promise.all(others.map(({ running }) => running));
      await until("a sign of life of both", () => beats() >= 2);
      await until("both to run", () => once.attempts().length === 1 && again.attempts().length === 1);
      process.kill(pid, "SIGSTOP");
      for (const call of [doomed.done, once.call]) {
        const error = await failure(call);
        expect(error).toBeInstanceOf(RunnerLostError);
        expect(error).toMatchObject({ started: true, message: expect.stringMatching(/no sign of life for 3 s/) });
      }
      await gone(pid);
      await until("the repetition", () => again.attempts().length === 2);
      again.go();
      expect(await again.call).not.toBe(pid);
      expect([once.attempts(), again.attempts()]).toEqual([["0"], ["0", "1"]]);
      for (const call of others) call.end();
      expect(await Promise.all(others.map(({ done }) => done))).toEqual([other, other, other]);
      expect(own.stats()).toMatchObject({ failed: 2, boots: { failed: 0 } });
      await own.close();
    });

    test(
      "a runner that is stopped before its guard is there has 15 beats, and is lost then",
      { timeout: 60_000 },
      async () => {
        const { backend } = heard();
        // Whatever its guard may have said before it was stopped is not heard.
        const own = pool("mute", {
          max: 1,
          backend: { ...backend, boot: (request) => backend.boot({ ...mute(request) }) },
        });
        const held = wait(own);
        const pid = await held.running;
        process.kill(pid, "SIGSTOP");
        const error = await failure(held.done);
        expect(error).toBeInstanceOf(RunnerLostError);
        expect(error.message).toMatch(/no sign of life for 15 s/);
        await gone(pid);
        expect(await flame(() => 1, { pool: own })).toBe(1);
        await own.close();
      },
    );

    test("a shorter silence is nobody's loss", async () => {
      const { backend, beats } = heard();
      const own = pool("pauses", { max: 1, backend });
      const held = wait(own);
      const pid = await held.running;
      await until("a sign of life", () => beats() > 0);
      process.kill(pid, "SIGSTOP");
      await pass(1_200);
      process.kill(pid, "SIGCONT");
      const heardBefore = beats();
      await until("two more signs of life", () => beats() >= heardBefore + 2);
      held.end();
      expect(await held.done).toBe(pid);
      expect(own.stats().boots).toEqual({ ok: 1, failed: 0 });
      await own.close();
    });

    test("a parent that is stopped for longer than the window goes on with the same runners: only end of file is a loss", async () => {
      const here = room();
      const script = startScript(stoppedParent, { args: [here.folder], timeout: 30_000 });
      const pids = [Number((await here.hear("kill"))[0]), Number((await here.hear("drain"))[0])];
      script.kill("SIGSTOP");
      await pass(windowMs);
      // What ends meanwhile is told when the parent goes on.
      here.say("go");
      await pass(300);
      expect(pids.filter(alive)).toEqual(pids);
      script.kill("SIGCONT");
      const { code, stdout } = await script.finished;
      const [kill, drain] = pids;
      expect(stdout.split("\n").toSorted()).toEqual(["", `drain ${drain} ${drain} 1`, `kill ${kill} ${kill} 1`]);
      expect(code).toBe(0);
    });

    test("a parent that blocks its own loop for longer than the window loses nobody", async () => {
      const script = startScript(
        `import { flame, pool } from "tinderbox";
const own = pool("own", { max: 1 });
const pid = await flame(() => process.pid, { pool: own });
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${windowMs});
await new Promise((resolve) => setTimeout(resolve, 1_500));
console.log(pid === await flame(() => process.pid, { pool: own }), own.stats().boots.ok);`,
        { timeout: 30_000 },
      );
      const { code, stdout } = await script.finished;
      expect({ code, stdout }).toEqual({ code: 0, stdout: "true 1\n" });
    });
  },
);

/** A boot whose machine gives no sign of life. */
function mute<R extends { beat(): void }>(request: R): R {
  return { ...request, beat: () => {} };
}
