/** What `flame.map` does to processes, and they to it. */
import { appendFileSync } from "node:fs";
import { type Pool, PoolClosedError, RunnerLostError, events, flame, pool } from "tinderbox";
import { afterEach, describe, expect, test } from "vitest";
import { runScript } from "../harness/script.ts";
import { scriptFolder } from "../harness/script-folder.ts";
import { until } from "../harness/until.ts";
import { failure, room } from "./lab.ts";

const pools: Pool[] = [];
function made(name: string, options: Parameters<typeof pool>[1]): Pool {
  const own = pool(name, options);
  pools.push(own);
  return own;
}
afterEach(async () => void (await Promise.all(pools.splice(0).map((own) => own.close({ timeout: 0 })))));

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const result of results) found.push(result);
  return found;
}

describe("a runner that is lost in the middle of a batch", () => {
  test("costs the item that ran: results that had arrived count, items that had not begun run elsewhere", async () => {
    const own = made("map-lost", { max: 1 });
    const { path, lines } = room();
    const log = path("log");
    let pid = 0;
    const results = flame.map(
      numbers(3_000),
      async (n, { progress }) => {
        appendFileSync(log, `${n}\n`);
        if (n === 1_000) {
          progress(process.pid);
          await new Promise(() => {});
        }
        return n;
      },
      { pool: own, settle: true, ordered: false, onProgress: (value) => void (pid = value as number) },
    );
    const failed: unknown[] = [];
    const values: number[] = [];
    let done = 0;
    for await (const result of results) {
      if (result.status === "rejected") failed.push([result.index, result.reason]);
      else values.push(result.value);
      // What the batch has done, and what it has given back, come in one message.
      if (++done === 1_000) process.kill(pid, "SIGKILL");
    }
    expect(failed).toEqual([[1_000, expect.any(RunnerLostError)]]);
    expect(failed).toMatchObject([[1_000, { started: true, signal: "SIGKILL" }]]);
    const others = numbers(3_000).filter((n) => n !== 1_000);
    expect(values.toSorted((left, right) => left - right)).toEqual(others);
    expect(lines("log").map(Number)).toEqual(numbers(3_000));
  });

  test("costs all of it that may have begun, when that item let nothing be said", async () => {
    const own = made("map-blocked", { max: 1 });
    const found = await all(
      flame.map(
        numbers(3_000),
        (n, { progress }) => {
          if (n === 1_000) {
            progress(process.pid);
            for (;;);
          }
          return n;
        },
        { pool: own, settle: true, onProgress: (pid) => process.kill(pid as number, "SIGKILL") },
      ),
    );
    const lost = found.filter(({ status }) => status === "rejected");
    expect(lost.map(({ index }) => index)).toContain(1_000);
    expect(lost.length).toBeLessThanOrEqual(256);
    expect(lost.map(({ index }) => index)).toEqual(numbers(lost.length).map((n) => lost[0]!.index + n));
    for (const { reason } of lost as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(RunnerLostError);
    expect(found).toHaveLength(3_000);
  });

  test("costs nothing when the items are idempotent, and one that kills its runners fails alone", async () => {
    const own = made("map-idempotent", { max: 2 });
    const exits: unknown[] = [];
    const off = events.on("runner.gone", ({ signal }) => void exits.push(signal));
    const found = await all(
      flame.map(
        numbers(2_000),
        (n, { runner }) => {
          if (n === 500 || (n === 1_500 && runner.attempt < 2)) process.kill(process.pid, "SIGKILL");
          return runner.attempt;
        },
        { pool: own, settle: true, idempotent: true },
      ),
    );
    off[Symbol.dispose]();
    const [poison] = found.filter(({ status }) => status === "rejected");
    expect(poison).toMatchObject({ index: 500, reason: expect.any(RunnerLostError) });
    expect(found.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(found[1_500]).toMatchObject({ status: "fulfilled", value: 2 });
    expect(exits).toEqual(Array.from({ length: 6 }, () => "SIGKILL"));
  });

  test("which it had not even read, costs nothing either way", async () => {
    const own = made("map-unread", { max: 1 });
    const pid = await flame(() => process.pid, { pool: own });
    process.kill(pid, "SIGSTOP");
    const next = flame.map([1], (n, { runner }) => [n, runner.id, runner.attempt], { pool: own }).next();
    await until("it is sent", () => own.stats().slots.busy === 1);
    await new Promise((resolve) => setImmediate(resolve));
    process.kill(pid, "SIGKILL");
    expect((await next).value).toEqual([1, "map-unread-2", 0]);
  });

  test("ends a map that does not settle, and frees the other slots", async () => {
    const own = made("map-fatal", { max: 2 });
    const error = await failure(
      all(
        flame.map(
          numbers(100),
          async (n, { signal }) => {
            if (n === 5) process.exit(3);
            if (n > 5 && !signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
            return n;
          },
          { pool: own },
        ),
      ),
    );
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_RUNNER_LOST", exitCode: 3 });
    await own.drain();
  });
});

describe("batches", () => {
  test("hold many tiny items, and a slow one goes alone", async () => {
    const own = made("map-batches", { max: 1 });
    await all(flame.map(numbers(20_000), (n) => n, { pool: own }));
    const tiny = own.stats().completed;
    expect(tiny).toBeLessThan(1_000);
    const slow = (n: number): number => {
      const end = performance.now() + 10;
      while (performance.now() < end);
      return n;
    };
    await all(flame.map(numbers(12), slow, { pool: own }));
    expect(own.stats().completed - tiny).toBe(12);
  });

  test("are cut when their items turn out to be slow", async () => {
    const own = made("map-cut", { max: 1 });
    const work = (n: number): number => {
      const end = performance.now() + (n < 2_000 ? 0 : 2);
      while (performance.now() < end);
      return n;
    };
    let calls = 0;
    for await (const n of flame.map(numbers(2_100), work, { pool: own }))
      if (n === 2_000) calls = own.stats().completed;
    expect(own.stats().completed - calls).toBeGreaterThan(20);
  });

  test("are of one item where each call gets a runner of its own", async () => {
    const own = made("map-single", { max: 2, singleUse: true });
    const pids = await all(flame.map(numbers(5), () => process.pid, { pool: own }));
    expect(new Set(pids).size).toBe(5);
  });

  test("never wait for an item that is not there yet", async () => {
    const own = made("map-lone", { max: 1 });
    let arrived: () => void = () => {};
    let sent = 0;
    async function* answered(): AsyncGenerator<number, void, undefined> {
      for (; sent < 30; sent++) {
        const answer = new Promise<void>((resolve) => (arrived = resolve));
        yield sent;
        await answer;
      }
    }
    for await (const n of flame.map(answered(), (item) => item, { pool: own })) {
      expect(n).toBe(sent);
      arrived();
    }
    expect(sent).toBe(30);
  });

  test("grow no larger than what the pool's queue takes, whatever concurrency says", async () => {
    const own = made("map-queue", { max: 1, queueLimit: 2 });
    const work = async (n: number): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      return n;
    };
    expect(await all(flame.map(numbers(40), work, { pool: own, concurrency: 500 }))).toEqual(numbers(40));
  });
});

describe("a map", () => {
  test("keeps the process alive while an item waits for its next attempt", async () => {
    const { stdout, stderr } = await runScript(
      `import { flame, pool } from "tinderbox";
      const own = pool("own", { max: 1 });
      const work = (n: number, { runner }: { runner: { attempt: number } }): number => {
        if (runner.attempt === 0) throw new Error("again");
        return n;
      };
      for await (const n of flame.map([7], work, { pool: own, retries: { limit: 1, delay: 300 } })) console.log(n);`,
    );
    expect([stdout, stderr]).toEqual(["7\n", ""]);
  });

  test("that is never iterated starts nothing, and a process that has nothing else to do ends", async () => {
    const { stdout, code } = await runScript(
      `import { flame, pool } from "tinderbox";
      const own = pool("own", { max: 1 });
      flame.map([7], (n) => n, { pool: own });
      console.log(own.stats().runners);`,
    );
    expect([stdout, code]).toEqual(["{ booting: 0, ready: 0, draining: 0 }\n", 0]);
  });

  test("fails all of its items when their closure cannot be made on the runner", async () => {
    const folder = scriptFolder({
      "main.ts": `import { flame, pool } from "tinderbox";
        import { factor } from "./broken.ts";
        const own = pool("own", { max: 1 });
        for (const settle of [true, false] as const)
          try {
            for await (const { reason } of flame.map([1, 2, 3], (n) => n * factor, { pool: own, settle: settle as true }))
              console.log(reason.message);
          } catch (error) {
            console.log("thrown:", error.message);
          }
        await own.close();`,
      "broken.ts": `import { runner } from "tinderbox";
        if (runner()) throw new Error("not here");
        export const factor = 2;`,
    });
    const { stdout } = await runScript(`${folder}/main.ts`);
    expect(stdout).toBe("not here\nnot here\nnot here\nthrown: not here\n");
  });

  test("ends with its pool", async () => {
    const own = made("map-closed", { max: 1 });
    const results = flame.map(numbers(1_000_000), (n) => n, { pool: own });
    await results.next();
    await own.close();
    await expect(all(results)).rejects.toBeInstanceOf(PoolClosedError);
  });

  test("whose source never answers is left at once", async () => {
    const own = made("map-mute", { max: 1 });
    let closed = 0;
    const mute = {
      first: true,
      [Symbol.asyncIterator]() {
        return this;
      },
      next(): Promise<IteratorResult<number, undefined>> {
        if (!this.first) return new Promise(() => {});
        this.first = false;
        return Promise.resolve({ done: false, value: 1 });
      },
      return(): Promise<IteratorResult<number, undefined>> {
        closed++;
        return new Promise(() => {});
      },
    };
    for await (const n of flame.map(mute, (item: number) => item, { pool: own })) {
      expect(n).toBe(1);
      break;
    }
    expect(closed).toBe(1);
  });

  test("closes its source before it throws, and says what the closing threw only where nothing else was wrong", async () => {
    const own = made("map-closing", { max: 1 });
    const log: string[] = [];
    async function* source(): AsyncGenerator<number, void, undefined> {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        await new Promise((resolve) => setImmediate(resolve));
        log.push("closed");
        // oxlint-disable-next-line no-unsafe-finally
        throw new Error("closing");
      }
    }
    const fail = (n: number): number => {
      if (n === 1) throw new RangeError("item");
      return n;
    };
    await all(flame.map(source(), fail, { pool: own })).catch((error: Error) => log.push(error.message));
    const results = flame.map(source(), (n) => n, { pool: own });
    await results.next();
    await results.return(undefined).catch((error: Error) => log.push(error.message));
    expect(log).toEqual(["closed", "item", "closed", "closing"]);
  });

  test.each([
    [{ concurency: 3 }, 'Cannot use option "concurency" of flame.map: it does not exist; did you mean "concurrency"?'],
    [{ concurrency: 0 }, 'Cannot use 0 as option "concurrency" of flame.map: a whole number from 1 is wanted'],
    [{ concurrency: Infinity }, 'Cannot use Infinity as option "concurrency"'],
    [{ ordered: "no" }, 'Cannot use "no" as option "ordered" of flame.map: true or false is wanted'],
    [{ settle: 1 }, 'Cannot use 1 as option "settle"'],
    [{ progress: process.stderr }, 'Cannot use an object as option "progress"'],
    [{ timeout: "soon" }, 'Cannot use "soon" as option "timeout" of flame.map'],
    [{ signal: {} }, 'Cannot use option "signal" of flame.map: an AbortSignal is wanted'],
  ])("with options %o is refused where it is called", (options, message) => {
    expect(() => flame.map([1], (n) => n, options as object)).toThrow(message);
  });

  test("of what cannot be iterated, called or captured is refused where it is called", () => {
    expect(() => flame.map(7 as never, (n) => n)).toThrow("Cannot map 7: an array or another iterable");
    expect(() => flame.map(undefined as never, (n) => n)).toThrow("Cannot map undefined");
    expect(() => flame.map([1], "fn" as never)).toThrow("a function is wanted");
    const socket = new WeakMap();
    expect(() => flame.map([1], () => socket)).toThrow("Cannot send `socket` to a runner");
  });

  test("shows the caller's own line in errors of its items", async () => {
    const own = made("map-stack", { max: 1 });
    const error = await failure(
      all(
        flame.map(
          [1],
          () => {
            throw new Error("mine");
          },
          { pool: own },
        ),
      ),
    );
    expect(error.stack).toMatch(
      /^Error: mine\n {4}at .*map\.test\.ts.*\n {4}at flame \(runner map-stack-1\)\n.*map\.test\.ts/,
    );
  });
});
