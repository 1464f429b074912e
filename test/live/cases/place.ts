/** Objects that live on a runner: what their methods take and give, how they go, and how they are handed on. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { CallTimeoutError, type Remote, context, events, flame, live, runner } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
}

class NoMoneyError extends Error {
  readonly missing: number;
  constructor(missing: number) {
    super(`${missing} are missing`);
    this.missing = missing;
  }
}

class Box {
  inherited(): string {
    return `a ${this.constructor.name}`;
  }
}

const symbolic = Symbol.for("symbolic");

class Account extends Box {
  balance = 0;
  #secret = "kept";
  get size(): number {
    return this.balance;
  }
  add(money: Money): Money {
    this.balance += money.cents;
    return new Money(this.balance);
  }
  take(cents: number): void {
    if (cents > this.balance) throw new NoMoneyError(cents - this.balance);
    this.balance -= cents;
  }
  secret(): string {
    return this.#secret;
  }
  where(): readonly [number, string | undefined] {
    return [process.pid, runner()?.id];
  }
  *countdown(from: number): Generator<number, string, undefined> {
    for (let n = from; n > 0; n--) yield n;
    return "lift off";
  }
  async *items(count: number): AsyncGenerator<number, void, undefined> {
    for (let n = 0; n < count; n++) yield n;
  }
  bytes(): ReadableStream<string> {
    return new ReadableStream({
      start(controller) {
        for (const part of ["a", "b"]) controller.enqueue(part);
        controller.close();
      },
    });
  }
  async each(count: number, tell: (n: number) => Promise<number>): Promise<number> {
    let sum = 0;
    for (let n = 1; n <= count; n++) sum += await tell(n);
    return sum;
  }
  adder(): (n: number) => number {
    return (n) => this.balance + n;
  }
  async read(source: ReadableStream<string>): Promise<string> {
    let all = "";
    for await (const part of source) all += part;
    return all;
  }
  aborted(signal: AbortSignal): Promise<string> {
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve(String(signal.reason))));
  }
  never(): Promise<void> {
    return new Promise(() => {});
  }
  print(text: string): void {
    console.log(text);
  }
  progress(value: unknown): string {
    context().progress(value);
    return context().runner.pool;
  }
  async nested(): Promise<readonly [number, number]> {
    return [await flame(() => process.pid), process.pid];
  }
  async ask(other: Remote<Account>): Promise<number> {
    const { cents } = await other.add(new Money(1));
    return cents;
  }
  [symbolic](): void {}
}

/** Says what becomes of it. */
class Told {
  readonly #tell: (word: string) => unknown;
  constructor(tell: (word: string) => unknown) {
    this.#tell = tell;
  }
  say(word: string): unknown {
    return this.#tell(word);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tell("disposed");
  }
}

const end = (object: AsyncDisposable): Promise<void> => Promise.resolve(object[Symbol.asyncDispose]());

export const cases: readonly Case[] = [
  {
    name: "methods run on the object, on one runner, and keep its state",
    async run({ pool }) {
      const start = 40;
      const account = await flame.place(
        () => {
          const made = new Account();
          made.balance = start;
          return made;
        },
        { pool },
      );
      const sum = await account.add(new Money(2));
      assert(sum instanceof Money);
      assert.equal(sum.cents, 42);
      assert.equal((await account.add(new Money(1))).cents, 43);
      assert.deepEqual([await account.secret(), await account.inherited()], ["kept", "a Account"]);
      const [first, second] = [await account.where(), await account.where()];
      assert.deepEqual(first, second);
      assert.notEqual(first[0], process.pid);
      assert.equal(pool.stats().slots.busy, 1);
      await end(account);
    },
  },
  {
    name: "a factory may be asynchronous, gets the context, and may return a plain object",
    async run({ pool }) {
      const object = await flame.place(
        async ({ runner: own }) => {
          const n = await Promise.resolve(1);
          return { id: () => own.id, n: async (by: number) => n + by };
        },
        { pool },
      );
      assert.deepEqual([await object.id(), await object.n(2)], [pool.nodes()[0]!.id, 3]);
      await end(object);
    },
  },
  {
    name: "what a factory throws arrives as itself, and nothing is left",
    async run({ pool }) {
      const placing = flame.place((): Account => { throw new NoMoneyError(7); }, { pool }); // prettier-ignore
      await assert.rejects(placing, (error) => error instanceof NoMoneyError && error.missing === 7);
      await assert.rejects(flame.place(async () => Promise.reject(new RangeError("late")), { pool }), RangeError);
    },
  },
  {
    name: "a factory that gives no object is refused, and says what is wanted",
    async run({ pool }) {
      for (const [value, name] of [[7, "a number"], [null, "null"], [() => 1, "a function"]] as const) { // prettier-ignore
        const wrong = (typeof value === "function" ? () => () => 1 : () => value) as unknown as () => object;
        await assert.rejects(flame.place(wrong, { pool }), {
          name: "TypeError",
          message: `Cannot place ${name}: an object with methods is wanted; return one from the factory`,
        });
      }
    },
  },
  {
    name: "fields and getters are refused on read and on write, and methods named by symbols are not there",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      const loose = account as unknown as Record<string | symbol, unknown>;
      for (const name of ["size", "balance"]) {
        assert.throws(() => loose[name], new RegExp(`^TypeError: Cannot read \`${name}\` of Account: it is no method`));
        assert.throws(() => (loose[name] = 1), new RegExp(`^TypeError: Cannot set \`${name}\` of Account: .* add a method`));
      }
      assert.equal(loose[symbolic], undefined);
      assert.equal(loose["constructor"] === Account, false);
      await end(account);
    },
  },
  {
    name: "an object with a `then` that is no method can be awaited",
    async run({ pool }) {
      const object = await flame.place(() => ({ then: 1, here: () => "here" }), { pool });
      assert.equal((object as unknown as { then?: unknown }).then, undefined);
      assert.equal(await (await object).here(), "here");
      await end(object);
    },
  },
  {
    name: "what a method throws arrives as itself: class, fields, and frames of both sides",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      const error = await account.take(5).then(() => undefined, (thrown: unknown) => thrown as NoMoneyError); // prettier-ignore
      assert(error instanceof NoMoneyError);
      assert.deepEqual([error.missing, error.message], [5, "5 are missing"]);
      const frames = error.stack!.split("\n").slice(1);
      assert.match(frames[0]!, /at .*take \(.*cases\/place\.ts:\d+/);
      assert.match(frames[1]!, /^ {4}at flame \(runner live-1\)$/);
      assert.match(frames[2]!, /cases\/place\.ts:\d+/);
      await end(account);
    },
  },
  {
    name: "generators and streams are iterated as they come, or awaited",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      const seen: (number | string)[] = [];
      for await (const n of account.countdown(3)) seen.push(n);
      for await (const n of account.items(3)) seen.push(n);
      for await (const part of account.bytes()) seen.push(part);
      assert.deepEqual(seen, [3, 2, 1, 0, 1, 2, "a", "b"]);
      const items = await account.items(100);
      assert.deepEqual(await items.next(), { done: false, value: 0 });
      await items.return(undefined);
      for await (const n of account.items(100)) if (n === 2) break;
      await assert.rejects(async () => {
        for await (const n of account.secret() as unknown as AsyncIterable<number>) seen.push(n);
      }, /Cannot iterate the result of a call: it is "kept"/);
      await end(account);
    },
  },
  {
    name: "functions, streams and signals among the arguments are live",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      const seen: number[] = [];
      const tell = async (n: number): Promise<number> => (seen.push(n), n * 10);
      assert.equal(await account.each(3, tell), 60);
      assert.deepEqual(seen, [1, 2, 3]);
      assert.equal(await account.read(new ReadableStream({ start: (to) => (to.enqueue("xy"), to.close()) })), "xy");
      const controller = new AbortController();
      const told = account.aborted(controller.signal);
      controller.abort(new Error("enough"));
      assert.equal(await told, "Error: enough");
      await end(account);
    },
  },
  {
    name: "a function that a method returns stays on the runner",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      const add = await account.adder();
      await account.add(new Money(30));
      assert.equal(await add(3), 33);
      await end(account);
      await assert.rejects(add(1), { code: "ERR_TINDERBOX_RELEASED" });
    },
  },
  {
    name: "a live argument runs in the context of the caller, a method in that of the placing call",
    async run({ pool }) {
      const user = new AsyncLocalStorage<string>();
      const told: unknown[] = [];
      const account = await flame.place(() => new Account(), { pool, onProgress: (value) => told.push(value) });
      const seen: unknown[] = [];
      await user.run("ada", () => account.each(1, async (n) => (seen.push(user.getStore()), n)));
      assert.deepEqual(seen, ["ada"]);
      assert.equal(await account.progress({ half: true }), pool.name);
      assert.deepEqual(told, [{ half: true }]);
      await end(account);
    },
  },
  {
    name: "arguments are what they were when the method was called",
    async run({ pool }) {
      const object = await flame.place(
        () => ({ wait: (gate: () => Promise<void>) => gate(), sum: (list: number[]) => list.reduce((a, b) => a + b) }),
        { pool, concurrency: 1 },
      );
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const waits = object.wait(() => gate);
      const list = [1, 2];
      const sum = object.sum(list);
      list.push(100);
      open();
      assert.equal(await sum, 3);
      await waits;
      await end(object);
    },
  },
  {
    name: "an argument that cannot travel is refused, and the object goes on",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      await assert.rejects(account.add({ cents: new WeakMap() } as never), {
        code: "ERR_TINDERBOX_CAPTURE",
        message: /arguments\[0\]\.cents/,
      });
      assert.equal((await account.add(new Money(1))).cents, 1);
      await end(account);
    },
  },
  {
    name: "console output of methods is that of the placing call",
    async run({ pool }) {
      const lines: string[] = [];
      const off = events.on("runner.log", ({ name, line }) => void lines.push(`${name}: ${line}`));
      const account = await flame.place(() => new Account(), { pool, name: "bank" });
      await account.print("printed by a method");
      assert.deepEqual(lines, ["bank: printed by a method"]);
      off[Symbol.dispose]();
      await end(account);
    },
  },
  {
    name: "each call of a method has the whole timeout for itself, and the object survives one that takes longer",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool, timeout: 300, name: "slow" });
      const called = performance.now();
      const late = await account.never().then(() => undefined, (error: unknown) => error as Error); // prettier-ignore
      assert(CallTimeoutError.is(late), String(late));
      assert.match(late!.message, /`never`.*"slow".*300 ms/);
      assert.match(late!.stack!.split("\n")[1]!, /cases\/place\.ts:\d+/);
      assert(performance.now() - called >= 299);
      assert.equal((await account.add(new Money(1))).cents, 1);
      await end(account);
    },
  },
  {
    name: "streams of methods have a time each, which stands still while nobody waits",
    async run({ pool }) {
      const slow = { *three() { yield 1; yield 2; yield 3; }, async *none() { await new Promise(() => {}); yield 0; } }; // prettier-ignore
      const object = await flame.place(
        () => ({ three: () => slow.three(), none: () => slow.none() }) as unknown as Pick<typeof slow, "three" | "none">,
        { pool, timeout: 200 },
      );
      // More streams than there would be time for, if the object had one time for all of them.
      for (let round = 0; round < 3; round++) {
        const begun = performance.now();
        const items = await object.three();
        await items.next();
        await until("more than the timeout", () => performance.now() - begun > 250);
        assert.deepEqual([(await items.next()).value, (await items.next()).value], [2, 3]);
        await items.return(undefined as never);
      }
      await assert.rejects(async () => { for await (const _ of object.none()) assert.fail(); }, CallTimeoutError); // prettier-ignore
      assert.equal((await (await object.three()).next()).value, 1);
      await end(object);
    },
  },
  {
    name: "disposing waits until the object has disposed itself, once",
    async run({ pool }) {
      const words: string[] = [];
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const tell = live(async (word: string) => {
        if (word === "disposed") await gate;
        words.push(word);
      });
      const object = await flame.place(() => new Told(tell), { pool });
      await object.say("hello");
      const ending = Promise.all([end(object), end(object)]);
      await assert.rejects(object.say("late"), {
        code: "ERR_TINDERBOX_RELEASED",
        message: "Cannot use a placed object: it was disposed; place it again, or dispose it later",
      });
      assert.deepEqual([words, pool.stats().slots.busy], [["hello"], 1]);
      open();
      await ending;
      assert.deepEqual([words, pool.stats().slots.busy], [["hello", "disposed"], 0]);
      await end(object);
    },
  },
  {
    name: "`await using` disposes at the end of the block",
    async run({ pool }) {
      const words: string[] = [];
      const tell = live(async (word: string) => void words.push(word));
      {
        await using object = await flame.place(() => new Told(tell), { pool });
        await object.say("inside");
      }
      assert.deepEqual(words, ["inside", "disposed"]);
    },
  },
  {
    name: "calls that were made before it is disposed finish first",
    async run({ pool }) {
      const words: string[] = [];
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const tell = live(async (word: string) => {
        if (word === "first") await gate;
        words.push(word);
      });
      const object = await flame.place(() => new Told(tell), { pool, concurrency: 1 });
      const calls = [object.say("first"), object.say("second")];
      const ending = end(object);
      open();
      await Promise.all([...calls, ending]);
      assert.deepEqual(words, ["first", "second", "disposed"]);
    },
  },
  {
    name: "the object's own dispose: asyncDispose before dispose before a method of that name",
    async run({ pool }) {
      const words: string[] = [];
      const tell = live((word: string) => void words.push(word));
      const three = await flame.place(
        () => ({
          [Symbol.asyncDispose]: async () => tell("asyncDispose"),
          [Symbol.dispose]: () => void tell("Symbol.dispose"),
          dispose: () => tell("dispose"),
        }),
        { pool },
      );
      await end(three);
      await end(
        await flame.place(() => ({ [Symbol.dispose]: () => tell("Symbol.dispose"), dispose: () => tell("dispose") }), {
          pool,
        }),
      );
      await end(await flame.place(() => ({ dispose: () => tell("dispose") }), { pool }));
      await end(await flame.place(() => ({ nothing: () => 1 }), { pool }));
      assert.deepEqual(words, ["asyncDispose", "Symbol.dispose", "dispose"]);
    },
  },
  {
    name: "what its dispose throws is thrown where it is disposed, and its slot is free all the same",
    async run({ pool }) {
      const object = await flame.place(
        () => ({
          [Symbol.asyncDispose](): Promise<void> {
            throw new NoMoneyError(3);
          },
        }),
        { pool },
      );
      const error = await end(object).then(() => undefined, (thrown: unknown) => thrown as NoMoneyError); // prettier-ignore
      assert(error instanceof NoMoneyError);
      assert.match(error.stack!, /at flame \(runner live-1\)\n.*cases\/place\.ts/);
      assert.equal(pool.stats().slots.busy, 0);
    },
  },
  {
    name: "a stream of a method ends with the object that it is of",
    async run({ pool }) {
      const object = await flame.place(
        () => ({
          async *ticks() {
            for (let n = 0; ; n++) {
              yield n;
              await new Promise((resolve) => setTimeout(resolve, 5));
            }
          },
        }),
        { pool },
      );
      const ticks = await object.ticks();
      assert.equal((await ticks.next()).value, 0);
      await end(object);
      await assert.rejects(
        async () => {
          for await (const _ of ticks);
        },
        { code: "ERR_TINDERBOX_RELEASED" },
      );
    },
  },
  {
    name: "a closure on a runner uses a captured object, with its methods, streams and errors",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      await account.add(new Money(5));
      const seen = await flame(
        async () => {
          const items: number[] = [];
          for await (const n of account.items(3)) items.push(n);
          const error: unknown = await account.take(100).catch((thrown: unknown) => thrown);
          const size: unknown = (() => { try { return (account as unknown as { size: unknown }).size; } catch (thrown) { return String(thrown); } })(); // prettier-ignore
          const { cents } = await account.add(new Money(1));
          return { items, cents, missing: (error as NoMoneyError).missing, size, keys: Object.keys(account).length };
        },
        { pool },
      );
      assert.deepEqual(seen, {
        items: [0, 1, 2],
        cents: 6,
        missing: 95,
        size: "TypeError: Cannot read `size` of Account: it is no method, and the object is on another machine; add a method that returns it",
        keys: Object.keys(account).length,
      });
      assert.equal((await account.add(new Money(0))).cents, 6);
      await end(account);
    },
  },
  {
    name: "an object may be an argument of another's method, and goes to a live function and back",
    async run({ pool }) {
      const first = await flame.place(() => new Account(), { pool });
      const second = await flame.place(() => new Account(), { pool });
      await second.add(new Money(10));
      assert.equal(await first.ask(second), 11);
      await end(first);
      const give = live(() => second);
      const sum = await flame(
        async () => {
          const given = await give();
          return (await given.add(new Money(1))).cents;
        },
        { pool },
      );
      assert.equal(sum, 12);
      await end(second);
    },
  },
  {
    name: "whoever was given an object cannot dispose it, only let go of it",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      await flame(async () => { await account[Symbol.asyncDispose](); }, { pool }); // prettier-ignore
      assert.equal((await account.add(new Money(1))).cents, 1);
      await end(account);
    },
  },
  {
    name: "a method that was not there when the object was placed is not known, and one that was can be replaced",
    async run({ pool }) {
      const object = await flame.place(
        () => ({
          answer: (): number => 1,
          grow(): void {
            Object.assign(this, { later: () => 2, answer: () => 3 });
          },
        }),
        { pool },
      );
      await object.grow();
      assert.equal((object as unknown as { later?: unknown }).later, undefined);
      assert.equal(await object.answer(), 3);
      await end(object);
    },
  },
  {
    name: "instances of built-in classes are objects like others",
    async run({ pool }) {
      const map = await flame.place(() => new Map([["a", 1]]), { pool });
      await map.set("b", 2).catch(() => {});
      assert.deepEqual([await map.get("a"), await map.has("b")], [1, true]);
      await end(map);
    },
  },
  {
    name: "a method may call flame itself",
    async run({ pool }) {
      const account = await flame.place(() => new Account(), { pool });
      const [there, here] = await account.nested();
      assert.equal(there, here);
      await end(account);
    },
  },
  {
    name: "on a runner nothing is placed, and that is said",
    async run({ pool }) {
      await assert.rejects(
        flame(async () => { await flame.place(() => new Account()); }, { pool }), // prettier-ignore
        /^TinderboxError: Cannot call flame\.place on a runner: .* call it on the parent/,
      );
    },
  },
];
