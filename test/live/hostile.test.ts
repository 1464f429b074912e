/** A runner that does not keep to the protocol loses its connection; its parent loses nothing. */
import { type Pool, flame, pool } from "tinderbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localBackend } from "../../src/backends/local.ts";
import { place } from "../../src/context.ts";
import { mark } from "../../src/live/kinds.ts";
import { listenUnix } from "../../src/transport/unix.ts";
import { failure } from "../flame/lab.ts";
import { until } from "../harness/until.ts";

const agent = new URL("./programs/hostile-runner.ts", import.meta.url);
let own: Pool;
beforeAll(
  () =>
    void (own = pool("hostile", {
      max: 1,
      drainTimeout: "500ms",
      backend: localBackend({ agent, listen: listenUnix }),
    })),
);
afterAll(() => own.close());

/** The closure itself never runs: the runner goes by the first argument. */
const ask = (vice: string, ...lent: unknown[]): Promise<unknown> =>
  flame.wrap((...all: readonly unknown[]): Promise<unknown> => Promise.resolve(all), { pool: own, timeout: "20s" })(
    vice,
    ...lent,
  );

/** The parent goes on: nothing is left of the call, and another runner serves the next one. */
async function expectUnharmed(): Promise<void> {
  expect(await ask("none")).toBe("well");
  await until("empty tables", () => place.exchanges.size === 0);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
}

/** What it is lost for. */
async function lostBy(vice: string, ...lent: unknown[]): Promise<string> {
  const error = await failure(ask(vice, ...lent));
  // Where it is the answer that cannot be read, its reader is told that.
  expect(String(error["code"])).toMatch(/^ERR_TINDERBOX_(RUNNER_LOST|PROTOCOL)$/);
  return String(error["reason"] ?? error.message);
}

const fn = (): number => 1;
const writable = (): WritableStream => new WritableStream();

describe("ignored or refused, and the call goes on", () => {
  test("items, credit and ends for what nobody knows", async () => {
    expect(await ask("items, credit and ends for what nobody knows")).toBe("well");
    await expectUnharmed();
  });

  test("a call of what it was never lent", async () => {
    expect(await ask("calls what it was never lent", fn)).toEqual({ failed: true, length: true });
    await expectUnharmed();
  });

  test("methods that an object was not lent with: none of them is called", async () => {
    const opened: string[] = [];
    class Vault {
      readonly secret = "secret";
      open(): void {
        opened.push("open");
      }
    }
    const vault = mark(new Vault(), "object");
    expect(await ask("methods that an object does not have", vault)).toEqual({
      refused: [true, true, true, true, true],
      open: true,
    });
    expect(opened).toEqual(["open"]);
    await expectUnharmed();
  });

  test("a call of its own for what it may not have", async () => {
    const forbidden = pool("forbidden", { max: 1 });
    for (const vice of [
      "asks for a pool that it may not use",
      "asks for a pool that is no name",
      "asks with an option that does not exist",
    ])
      expect(await ask(vice), vice).toEqual({ failed: true });
    expect(forbidden.stats()).toMatchObject({ completed: 0, failed: 0, boots: { ok: 0 } });
    await forbidden.close();
    await expectUnharmed();
  });

  test("a close of what is not open", async () => {
    expect(await ask("closes what is not open")).toBe("well");
    await expectUnharmed();
  });

  test("credit without end: no more of a stream is read than its window", async () => {
    let pulled = 0;
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(10_000));
        },
      },
      { highWaterMark: 0 },
    );
    const { items } = (await ask("credit without end", stream)) as { items: number };
    expect(items).toBeGreaterThan(90);
    expect(items).toBeLessThan(120);
    expect(pulled).toBeLessThan(120);
    await expectUnharmed();
  });
});

describe("ends the connection, and nothing else", () => {
  test.each<[vice: string, lent: unknown, reason: RegExp]>([
    ["asks for code that nobody has", fn, /its unit 5000000 is not one of this executor's/],
    ["asks to keep code under a number of the parent", fn, /Cannot keep unit 1: it is not of this executor/],
    ["asks to place an object", fn, /mode place is not for runners/],
    ["asks for a batch", fn, /mode each is not for runners/],
    ["calls a function by a name", fn, /Cannot take a call for reference \d+: it is of another kind/],
    ["calls without a list", fn, /a call without arguments/],
    ["calls with code", fn, /Cannot decode the value/],
    ["calls a stream by another name", writable(), /Cannot take a call for reference/],
    ["gives credit to a function", fn, /Cannot take credit for reference/],
    ["sends items to a function", fn, /Cannot take an item for reference/],
    ["ends what it writes to by a mark", writable(), /Cannot take an item for reference/],
    ["lets go too often", fn, /Cannot let go of reference \d+: it was not given out so often/],
    ["lets go of what it never had", fn, /Cannot let go of reference 4000000/],
    ["answers what nobody asked", fn, /Cannot hear answer 9/],
    ["answers with what is not there", fn, /it has no reference/],
    ["answers with a live value and no references", fn, /it has no reference/],
    ["an unknown kind", fn, /its kind is unknown/],
    ["a kind of every object", fn, /its kind is unknown/],
    ["its own, never lent", fn, /Cannot receive reference 12: it was not given out/],
    ["a number beyond any", fn, /its references are wrong/],
    ["the number zero", fn, /its references are wrong/],
    ["a function with details", fn, /what is told of a "function" is wrong/],
    ["a stream that is maybe of bytes", fn, /what is told of a "readable" is wrong/],
    ["a writable with credit of its own", fn, /what is told of a "writable" is wrong/],
    ["a Node stream of no mode", fn, /what is told of a "node-readable" is wrong/],
    ["a Node stream of an unknown encoding", fn, /what is told of a "node-readable" is wrong/],
    ["a duplex without details", fn, /what is told of a "node-duplex" is wrong/],
    ["a signal with a reason that is no value", fn, /Cannot/],
    ["a signal with a text for a reason", fn, /what is told of a "signal" is wrong/],
    ["an object without methods", fn, /Cannot receive an object/],
    ["an object whose methods are no texts", fn, /Cannot receive an object/],
    ["an object whose methods are no list", fn, /Cannot receive an object/],
    ["details that are nested without end", fn, /Cannot/],
    ["more references than anybody has", fn, /its references are wrong/],
    ["writes without credit", new WritableStream({ write: () => new Promise(() => {}) }), /there is no credit for it/],
  ])("%s", async (vice, lent, reason) => {
    expect(await lostBy(vice, lent)).toMatch(reason);
    await expectUnharmed();
  });

  test("items without credit: the reader gets what came, and the memory of the parent has a bound", async () => {
    const before = process.memoryUsage.rss();
    const stream = (await ask("items without credit")) as AsyncGenerator<Uint8Array>;
    let bytes = 0;
    const error = await failure(
      (async () => {
        // Nobody reads until the connection is over.
        await until("the end of the runner", () => own.stats().runners.ready === 0);
        for await (const chunk of stream) bytes += chunk.length;
      })(),
    );
    expect(error["reason"]).toMatch(/Cannot take an item of a stream: it was sent without credit/);
    expect(bytes).toBeLessThan(3_000_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
    await expectUnharmed();
  });

  test("an item that is broken", async () => {
    const stream = (await ask("an item that is broken")) as AsyncGenerator<unknown>;
    expect((await failure(stream.next()))["code"]).toBe("ERR_TINDERBOX_RUNNER_LOST");
    await expectUnharmed();
  });
});

describe("what it says is taken as it is, and does no harm", () => {
  test("a stream that ends twice, and goes on", async () => {
    const stream = (await ask("ends twice, and goes on")) as AsyncGenerator<unknown>;
    expect([await stream.next(), await stream.next(), await stream.next()]).toEqual([
      { done: false, value: "first" },
      { done: true, value: "last" },
      { done: true, value: undefined },
    ]);
    await expectUnharmed();
  });

  test("return that is answered with nothing", async () => {
    const stream = (await ask("answers return with nothing")) as AsyncGenerator<unknown>;
    expect(await stream.next()).toEqual({ done: false, value: "first" });
    expect(await failure(stream.return(undefined))).toBeInstanceOf(TypeError);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    await expectUnharmed();
  });

  test("an object of dangerous methods is no promise, and has the prototype that it should have", async () => {
    const remote = (await ask("an object of dangerous methods")) as AsyncDisposable & Record<string, unknown>;
    expect(Object.keys(remote)).not.toContain("then");
    expect((Object.getPrototypeOf(remote) as object).constructor.name).toBe("Remote");
    expect(Object.hasOwn(remote, "fine")).toBe(true);
    expect(({} as Record<string, unknown>)["fine"]).toBeUndefined();
    await remote[Symbol.asyncDispose]();
    await expectUnharmed();
  });
});
