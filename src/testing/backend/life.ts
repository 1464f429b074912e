/** While a machine is up: signs of life, and what it prints. */
import assert from "node:assert/strict";
import { pass, until } from "../until.ts";
import type { BackendCase } from "./subject.ts";

/** Nothing of its event loop runs any more. */
const blocks = `(context) => {
  context.progress("blocked");
  for (const cell = new Int32Array(new SharedArrayBuffer(4)); ;) Atomics.wait(cell, 0, 0, 100);
}`;

export const lifeCases: readonly BackendCase[] = [
  {
    name: "a ping brings a beat",
    async run(subject) {
      const guest = await subject.boot();
      await subject.calm();
      for (let ping = 0; ping < 5; ping++) {
        const before = guest.beats;
        guest.machine.ping();
        await until("a beat", subject.limits.endMs, () => guest.beats > before);
      }
    },
  },
  {
    name: "a ping brings a beat also while a call blocks the event loop",
    async run(subject) {
      const guest = await subject.boot();
      assert.equal(await guest.word(blocks), "blocked");
      await subject.calm();
      for (let ping = 0; ping < 5; ping++) {
        const before = guest.beats;
        guest.machine.ping();
        await until("a beat", subject.limits.endMs, () => guest.beats > before);
      }
    },
  },
  {
    name: "without a ping there are no beats",
    async run(subject) {
      const guest = await subject.boot();
      // The first one says that there is somebody to be pinged.
      await subject.calm();
      const before = guest.beats;
      await pass(2_500);
      assert.ok(guest.beats <= before + 1, `there were ${guest.beats - before}`);
    },
  },
  {
    name: "a ping before the machine is up, and after its end, does nothing",
    async run(subject) {
      const guest = await subject.ask();
      guest.machine.ping();
      await guest.up();
      guest.machine.kill();
      guest.machine.ping();
      await guest.gone();
      guest.machine.ping();
      await subject.calm();
      assert.deepEqual(guest.late, []);
    },
  },
  {
    name: "a line that was printed before the connection is heard, of both streams",
    async run(subject) {
      const text = `import { writeSync } from "node:fs"; writeSync(1, "early out\\n"); writeSync(2, "early err\\n");`;
      const url = `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
      const guest = await subject.boot({ env: { ...subject.environment(), NODE_OPTIONS: `--import=${url}` } });
      assert.equal(await guest.sees("early out"), "stdout");
      assert.equal(await guest.sees("early err"), "stderr");
    },
  },
  {
    name: "a line that was printed past the connection is heard, of both streams, each once and in order",
    async run(subject) {
      const guest = await subject.boot();
      await guest.run(`async () => {
        const { writeSync } = await import("node:fs");
        for (let line = 0; line < 100; line++) writeSync(1, "out " + line + "\\n");
        writeSync(2, "err ä€\\n");
      }`);
      assert.equal(await guest.sees("err ä€"), "stderr");
      await guest.sees("out 99");
      const lines = guest.printed.filter(({ line, stream }) => stream === "stdout" && line.startsWith("out "));
      assert.deepEqual(
        lines.map(({ line }) => line),
        Array.from({ length: 100 }, (_, line) => `out ${line}`),
      );
    },
  },
  {
    name: "a program that a call has started is heard, too",
    async run(subject) {
      const guest = await subject.boot();
      await guest.run(`async () => {
        const { spawnSync } = await import("node:child_process");
        return spawnSync(process.execPath, ["-e", "console.log('from a child')"], { stdio: "inherit" }).status;
      }`);
      assert.equal(await guest.sees("from a child"), "stdout");
    },
  },
  {
    name: "last words are heard, also a line without its end",
    async run(subject) {
      const guest = await subject.boot();
      const running = guest.start(`async () => {
        const { writeSync } = await import("node:fs");
        process.on("exit", () => { writeSync(2, "last words\\n"); writeSync(1, "half a line"); });
        process.exit(3);
      }`);
      running.result.catch(() => undefined);
      await guest.gone();
      assert.equal(await guest.sees("last words"), "stderr");
      assert.equal(await guest.sees("half a line"), "stdout");
    },
  },
];
