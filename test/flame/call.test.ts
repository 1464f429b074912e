import { existsSync, writeFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { context, events, flame, pool, runner } from "tinderbox";
import { afterAll, describe, expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";

const calls = pool("calls", { max: 1, concurrency: 8, env: { GIVEN: "yes" } });
afterAll(() => calls.close());

describe("a call", () => {
  test("runs in another process and returns what the closure returns", async () => {
    const a = 6;
    const [product, pid] = await flame(() => [a * 7, process.pid] as const, { pool: calls });
    expect(product).toBe(42);
    expect(pid).not.toBe(process.pid);
  });

  test("awaits what the closure awaits", async () => {
    expect(await flame(async () => Promise.resolve([1, 2]), { pool: "calls" })).toEqual([1, 2]);
  });

  test("of 10,000 at once all resolve, on two runners", async () => {
    const wide = pool("wide", { max: 2, concurrency: 4, queueLimit: 20_000 });
    const results = await Promise.all(
      Array.from({ length: 10_000 }, (_, index) => flame(() => index + 1, { pool: wide })),
    );
    expect(results).toEqual(Array.from({ length: 10_000 }, (_, index) => index + 1));
    expect(wide.stats()).toMatchObject({ completed: 10_000, failed: 0, queued: 0, boots: { ok: 2, failed: 0 } });
    await wide.close();
  });

  test("copies its captures when it is made, not when it runs", async () => {
    const box = { value: 1 };
    const promise = flame(() => box.value, { pool: calls });
    box.value = 2;
    expect(await promise).toBe(1);
  });

  test("leaves the parent's values alone", async () => {
    const list = [1];
    expect(await flame(() => list.push(2), { pool: calls })).toBe(2);
    expect(list).toEqual([1]);
  });

  test("carries 5 MB both ways, byte for byte", async () => {
    const bytes = Buffer.alloc(5 * 1024 * 1024, "tinder");
    const back = await flame(() => ({ bytes, length: bytes.length }), { pool: calls });
    expect(back.length).toBe(bytes.length);
    expect(Buffer.compare(back.bytes, bytes)).toBe(0);
  });
});

describe("its context", () => {
  test("names runner, pool and attempt, as argument and everywhere below", async () => {
    const [given, found, here] = await flame(({ runner: own }) => [own, context().runner, runner()] as const, {
      pool: calls,
    });
    expect(given).toEqual({ id: expect.stringMatching(/^calls-\d+$/), pool: "calls", attempt: 0 });
    expect(found).toEqual(given);
    expect(here).toEqual({ id: given.id, pool: "calls" });
    expect(runner()).toBeUndefined();
    expect(() => context()).toThrow("does not run inside of a flame() call");
  });

  test("is each call's own while calls overlap", async () => {
    const names = ["a", "b", "c"];
    const seen = await Promise.all(
      names.map((name) =>
        flame(
          async (own) => {
            await new Promise((resolve) => setImmediate(resolve));
            return own === context() ? name : "mixed up";
          },
          { pool: calls },
        ),
      ),
    );
    expect(seen).toEqual(names);
  });

  test("passes progress to the caller in order, before the result", async () => {
    const seen: unknown[] = [];
    const result = await flame(
      ({ progress }) => {
        for (let step = 1; step <= 3; step++) context().progress({ step });
        return typeof progress;
      },
      { pool: calls, onProgress: (value) => seen.push(value) },
    );
    expect(result).toBe("function");
    expect(seen).toEqual([{ step: 1 }, { step: 2 }, { step: 3 }]);
  });

  test("passes on what a closure says while it computes, before its end", async () => {
    const file = `${testRun.folder}/heard`;
    const lines: string[] = [];
    const heard = events.on("runner.log", ({ line }) => void lines.push(line));
    const said: unknown[] = [];
    const call = flame(
      ({ progress }) => {
        progress("begun");
        console.log("printed");
        // Ends only when the parent has heard of it.
        while (!existsSync(file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        return "done";
      },
      { pool: calls, onProgress: (value) => void said.push(value) },
    );
    await until("the word", () => said.length > 0);
    writeFileSync(file, "");
    expect(await call).toBe("done");
    expect([said, lines]).toEqual([["begun"], ["printed"]]);
    heard[Symbol.dispose]();
  });

  test("gives a folder that is gone after the call", async () => {
    const folder = await flame(
      async (own) => {
        const made = await own.dir();
        const { writeFile } = await import("node:fs/promises");
        await writeFile(`${made}/note`, "x");
        return made;
      },
      { pool: calls },
    );
    await expect(stat(folder)).rejects.toThrow("ENOENT");
  });
});

describe("the runner's surroundings", () => {
  test("have the environment that was given and the machine's, and nothing else", async () => {
    process.env["NOT_GIVEN"] = "secret";
    const env = await flame(() => ({ ...process.env }), { pool: calls });
    delete process.env["NOT_GIVEN"];
    expect(env["GIVEN"]).toBe("yes");
    expect(env["PATH"]).toBe(process.env["PATH"]);
    const expected = /^(PATH|HOME|TMPDIR|TZ|LANG|LC_.*|NODE_ENV|GIVEN|TINDERBOX_MARK)$/;
    expect(Object.keys(env).filter((name) => !expected.test(name))).toEqual([]);
  });

  test("have the working folder of the parent", async () => {
    expect(await flame(() => process.cwd(), { pool: calls })).toBe(process.cwd());
  });

  test("show the token neither in the command line nor in the environment", async () => {
    const pid = await flame(() => process.pid, { pool: calls });
    const command = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    expect(environment).toContain("TINDERBOX_RUNNER=machine kill");
    const socket = command.find((word) => /tinderbox-\w+\/s$/.test(word))!;
    // Address and name of the runner are all there is beside Node's own words.
    expect(command.slice(command.indexOf(socket) + 1)).toEqual([expect.stringMatching(/^calls-\d+$/), ""]);
    expect(environment).not.toMatch(/[0-9a-f]{32}|[A-Za-z0-9+/]{40}=/);
    expect((await stat(join(socket, ".."))).mode & 0o777).toBe(0o700);
  });
});
