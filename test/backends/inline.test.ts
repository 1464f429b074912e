/** Closures that run in the process of their test: copies, refusals, errors and context as on any runner. */
import { existsSync } from "node:fs";
import { AsyncLocalStorage } from "node:async_hooks";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  AbortError,
  CallTimeoutError,
  CaptureError,
  type Context,
  PoolClosedError,
  context,
  events,
  flame,
  live,
  pool,
  runner,
  supervisor,
} from "tinderbox";
import { inline } from "tinderbox/testing";
import { afterAll, describe, expect, test } from "vitest";
import { place } from "../../src/context.ts";
import { sent } from "../../src/closure/sent.ts";
import { runScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { repository } from "../harness/script-folder.ts";
import { Money, money } from "./shop/money.ts";
import { request } from "./shop/request.ts";

const own = pool("inline", { backend: inline(), max: 2 });
afterAll(() => own.close());

class Point {
  x = 1;
  move(by: number): this {
    this.x += by;
    return this;
  }
}

class OwnError extends Error {
  override readonly name = "OwnError";
  readonly fields = { code: 7 };
}

describe("what travels", () => {
  test("the closure runs in this very process", async () => {
    expect(await flame(() => process.pid, { pool: own })).toBe(process.pid);
  });

  test("captured values are copies: what the closure changes stays with it", async () => {
    const list = [1, 2];
    const map = new Map([["a", new Point()]]);
    const buffer = new Uint8Array(200_000).fill(1);
    const seen = await flame(
      () => {
        list.push(3);
        map.get("a")!.move(4);
        buffer.fill(9);
        return { list, x: map.get("a")!.x, first: buffer[0] };
      },
      { pool: own },
    );
    expect(seen).toEqual({ list: [1, 2, 3], x: 5, first: 9 });
    expect([list, map.get("a")!.x, buffer[0]]).toEqual([[1, 2], 1, 1]);
  });

  test("they are read when flame is called", async () => {
    const state = { word: "before" };
    const call = flame(() => state.word, { pool: own });
    state.word = "after";
    expect(await call).toBe("before");
  });

  test("a result is a copy as well, and an instance of its class", async () => {
    const point = new Point();
    const back = await flame(() => point.move(1), { pool: own });
    expect(back).toBeInstanceOf(Point);
    expect(back).not.toBe(point);
    expect([back.x, point.x]).toEqual([2, 1]);
  });

  test("an instance of a class that the file imports, and the closure does not name, is one of that class", async () => {
    const found = await flame(() => money(3), { pool: own });
    expect(found).toBeInstanceOf(Money);
    expect(found.cents).toBe(300);
  });

  test("import.meta of the closure is that of its file", async () => {
    const found = await flame(() => [import.meta.url, import.meta.resolve("./neighbour.ts")], { pool: own });
    const file = pathToFileURL(join(repository, "test/backends/")).href;
    expect(found).toEqual([`${file}inline.test.ts`, `${file}neighbour.ts`]);
  });

  test("what cannot travel is refused, on the way there and on the way back, as with any runner", async () => {
    const weak = new WeakMap();
    await expect(async () => flame(() => weak, { pool: own })).rejects.toSatisfy((error) => CaptureError.is(error));
    await expect(flame(() => Promise.resolve(new WeakSet()), { pool: own })).rejects.toThrow(/WeakSet/);
    expect(await flame(() => 1, { pool: own })).toBe(1);
  });

  test("arguments of wrap, and items of map", async () => {
    const double = flame.wrap(async (list: number[]) => list.map((each) => each * 2), { pool: own });
    const list = [1, 2];
    expect(await double(list)).toEqual([2, 4]);
    const found: number[] = [];
    for await (const each of flame.map([1, 2, 3], (item) => item * 10, { pool: own })) found.push(each);
    expect(found).toEqual([10, 20, 30]);
  });
});

describe("errors", () => {
  test("keep class, message, fields and cause, and their stack names the line of the closure", async () => {
    const error = await flame(
      () => {
        throw new OwnError("no", { cause: new RangeError("deep") });
      },
      { pool: own },
    ).catch((reason: unknown) => reason as OwnError);
    expect(error).toBeInstanceOf(OwnError);
    expect(error).toMatchObject({ message: "no", fields: { code: 7 }, cause: expect.any(RangeError) });
    expect(error.stack).toContain("inline.test.ts");
    expect(error.stack).toContain("at flame (runner inline-");
  });

  test("of timeouts and aborts are those of any runner, and the signal of the context tells the closure", async () => {
    const told: string[] = [];
    const tell = live((word: string) => void told.push(word));
    const waits = flame.wrap(
      async (word: string) => {
        const { signal } = context();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await tell(word);
      },
      { pool: own },
    );
    await expect(waits.with({ timeout: 50 })("late")).rejects.toSatisfy((error) => CallTimeoutError.is(error));
    const controller = new AbortController();
    const call = waits.with({ signal: controller.signal })("aborted");
    await until("the call to run", () => own.stats().slots.busy > 0);
    controller.abort();
    await expect(call).rejects.toSatisfy((error) => AbortError.is(error));
    await until("free slots", () => own.stats().slots.busy === 0);
  });

  test("of a pool that closes", async () => {
    const closing = pool("closing", { backend: inline() });
    const call = flame(() => new Promise(() => {}), { pool: closing });
    call.catch(() => undefined);
    await until("the call to run", () => closing.stats().slots.busy === 1);
    await closing.close({ timeout: 0 });
    await expect(call).rejects.toSatisfy((error) => PoolClosedError.is(error));
  });
});

describe("what goes on", () => {
  test("a generator runs step by step, and ends with its reader", async () => {
    const steps: string[] = [];
    const step = live((word: string) => void steps.push(word));
    for await (const each of flame(
      async function* () {
        try {
          for (let at = 0; ; at++) yield at;
        } finally {
          await step("over");
        }
      },
      { pool: own },
    )) {
      if (each === 3) break;
    }
    await until("its end", () => steps.includes("over"));
  });

  test("live functions and signals reach back, and run as the parent", async () => {
    const storage = new AsyncLocalStorage<string>();
    const where: unknown[] = [];
    const back = live((value: number) => {
      where.push(runner()?.id, storage.getStore());
      return value * 2;
    });
    const doubled = await storage.run("caller", () => flame(async () => await back(4), { pool: own }));
    expect(doubled).toBe(8);
    expect(where).toEqual([undefined, "caller"]);
  });

  test("a placed object", async () => {
    await using point = await flame.place(() => new Point(), { pool: own });
    await point.move(2);
    expect(await flame(() => 1, { pool: own })).toBe(1);
  });

  test("progress, and a scratch folder that is gone after the call", async () => {
    const seen: unknown[] = [];
    const folder = await flame(
      async ({ progress, dir }) => {
        progress({ half: true });
        return dir();
      },
      { pool: own, onProgress: (value) => void seen.push(value) },
    );
    expect(seen).toEqual([{ half: true }]);
    expect(existsSync(folder)).toBe(false);
  });
});

describe("where the closure is", () => {
  test("it is on a runner, and the test is not", async () => {
    const inside = flame(
      async () => {
        await Promise.resolve();
        return [runner()?.pool, context().runner.pool];
      },
      { pool: own },
    );
    expect(runner()).toBeUndefined();
    expect(await inside).toEqual(["inline", "inline"]);
    expect(runner()).toBeUndefined();
    expect(() => context()).toThrow(TypeError);
  });

  test("neither the context of the caller nor that of another call is its own", async () => {
    const ids = await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        flame(
          async ({ runner: mine }) => {
            await new Promise((resolve) => setTimeout(resolve, 10 - index));
            return context().runner.id === mine.id;
          },
          { pool: own },
        ),
      ),
    );
    expect(ids).toEqual([true, true, true, true]);
  });

  test("flame in a closure is a nested call: to its own pool, to others where that is allowed, and it ends with the outer one", async () => {
    const inner = pool("inner", { backend: inline() });
    const outer = pool("outer", { backend: inline(), allow: ["inner"] });
    const found = await flame(
      async () => {
        const base = 20;
        return [await flame(() => [base + 1, runner()!.pool]), await flame(() => runner()!.pool, { pool: inner })];
      },
      { pool: outer },
    );
    expect(found).toEqual([[21, "outer"], "inner"]);
    await expect(flame(() => flame(() => 1, { pool: outer }), { pool: inner })).rejects.toThrow(/it is not allowed/);
    await expect(
      flame(
        async () => {
          const forever = ({ signal }: Context) => new Promise((resolve) => signal.addEventListener("abort", resolve));
          void flame(forever, { pool: inner }).catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 20));
        },
        { pool: outer },
      ),
    ).resolves.toBeUndefined();
    await until("the inner call to be aborted", () => inner.stats().slots.busy === 0);
    await Promise.all([inner.close(), outer.close()]);
  });

  test("what works on the parent alone does nothing, or says so", async () => {
    expect(await flame(() => pool("made-on-a-runner", { max: 1 }).stats().slots.busy, { pool: own })).toBe(0);
    await expect(
      flame(
        async () => {
          const list: number[] = [];
          for await (const each of flame.map([1], (item) => item)) list.push(each);
          return list;
        },
        { pool: own },
      ),
    ).rejects.toThrow(/Cannot call flame.map on a runner/);
    const tree = await flame(
      () =>
        supervisor({ id: "inert", children: [] })
          .start()
          .then((it) => typeof it),
      { pool: own },
    );
    expect(tree).toBe("object");
  });

  test("what its caller keeps in an asynchronous context is not there, as on no runner", async () => {
    const seen = await request.run("caller", () =>
      flame(
        async () => {
          const before = request.getStore();
          await Promise.resolve();
          return [before, request.getStore(), request.run("own", () => request.getStore())];
        },
        { pool: own },
      ),
    );
    expect(seen).toEqual([undefined, undefined, "own"]);
  });

  test("what a pool does because a closure asks for it does not run in that call", async () => {
    const asked = pool("asked", { backend: inline() });
    const asks = pool("asks", { backend: inline(), allow: ["asked"] });
    const seen: unknown[] = [];
    using _phase = events.on("boot.phase", ({ pool: name }) => void (name === "asked" && seen.push(runner())));
    using _started = events.on("call.started", ({ pool: name }) => void (name === "asked" && seen.push(runner())));
    expect(await flame(() => flame(() => runner()!.pool, { pool: asked }), { pool: asks })).toBe("asked");
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.filter((each) => each !== undefined)).toEqual([]);
    await Promise.all([asked.close(), asks.close()]);
  });

  test("what the pool does because of a call does not run in its context", async () => {
    const seen: unknown[] = [];
    const note = (): void => void seen.push(runner());
    using _ready = events.on("runner.ready", note);
    using _finished = events.on("call.finished", note);
    using _phase = events.on("boot.phase", note);
    const single = pool("single", { backend: inline(), max: 1, singleUse: true });
    const storage = new AsyncLocalStorage<string>();
    const calls = storage.run("caller", () =>
      [1, 2, 3].map((each) =>
        flame(
          async ({ progress }) => {
            progress(each);
            await Promise.resolve();
            return each;
          },
          { pool: single, onProgress: () => seen.push(storage.getStore() === "caller" ? undefined : "lost") },
        ),
      ),
    );
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
    await single.close();
    expect(seen.length).toBeGreaterThan(9);
    expect(seen.filter((each) => each !== undefined)).toEqual([]);
  });

  test("in the process of the test nothing has changed", () => {
    expect([place.runner, place.nested, sent.linker]).toEqual([undefined, undefined, undefined]);
  });
});

describe("pools", () => {
  test("setup runs first, executors and concurrency are as declared, and nothing is left when it is closed", async () => {
    const many = pool("many", {
      backend: inline(),
      max: 1,
      processes: 2,
      concurrency: 2,
      setup: () => void Object.assign(globalThis, { setUp: true }),
    });
    const gate = Promise.withResolvers<void>();
    const wait = live(() => gate.promise);
    const calls = [1, 2, 3, 4, 5].map((each) =>
      flame(
        async () => {
          await wait();
          return [each, (globalThis as { setUp?: boolean }).setUp];
        },
        { pool: many },
      ),
    );
    await until("four calls", () => many.stats().slots.busy === 4);
    expect(many.stats()).toMatchObject({ runners: { ready: 1 }, queued: 1 });
    gate.resolve();
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4, 5].map((each) => [each, true]));
    await many.close();
    expect(many.stats().runners).toEqual({ booting: 0, ready: 0, draining: 0 });
  });

  test("an executor whose call does not let go is replaced; its neighbour never notices", async () => {
    const two = pool("two", { backend: inline(), max: 1, processes: 2, concurrency: 1 });
    const exits: number[] = [];
    using _ = events.on("executor.exited", ({ pool: name, executor }) => void (name === "two" && exits.push(executor)));
    const gate = Promise.withResolvers<string>();
    const wait = live(() => gate.promise);
    const neighbour = flame(async () => await wait(), { pool: two });
    await until("the first call", () => two.stats().slots.busy === 1);
    await expect(flame(() => new Promise(() => {}), { pool: two, timeout: 50 })).rejects.toThrow(/timeout|50 ms/);
    expect(await flame(() => "next", { pool: two })).toBe("next");
    expect(exits).toHaveLength(1);
    gate.resolve("still there");
    expect(await neighbour).toBe("still there");
    await two.close();
  });

  test("a class of the closure has its statics from call to call, on one runner", async () => {
    const one = pool("one", { backend: inline(), max: 1, concurrency: 1 });
    const count = (): Promise<number> => flame(() => ++Counter.made, { pool: one });
    expect([await count(), await count(), Counter.made]).toEqual([1, 2, 0]);
    await one.close();
  });
});

class Counter {
  static made = 0;
}

describe("TINDERBOX_BACKEND=inline", () => {
  const code = `import { flame, local, pool } from "tinderbox";
const own = pool("own", { backend: local() });
const list = [1];
console.log(await flame(() => [process.pid, list.push(2)], { pool: own }), process.pid, list);
console.log(await flame(() => process.pid));`;

  test.each([[[]], [["--import", "tinderbox/register"]]])("is the backend of all pools, %j", async (execArgv) => {
    const { stdout, stderr, code: exit } = await runScript(code, { env: { TINDERBOX_BACKEND: "inline" }, execArgv });
    expect(exit, stderr).toBe(0);
    const [pid] = stdout.match(/\d+/)!;
    expect(stdout).toBe(`[ ${pid}, 2 ] ${pid} [ 1 ]\n${pid}\n`);
    expect(stderr).toBe("");
  });
});
