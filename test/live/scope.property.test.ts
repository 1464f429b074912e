import assert from "node:assert/strict";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RemoteGenerator } from "../../src/live/stream.ts";
import { type Pair, type Side, twoScopes } from "./two-scopes.ts";

type Fn = ((n: number) => Promise<number>) & Partial<Disposable>;

/** What a test follows of a generator: how much was made, seen, and how often it cleaned up. */
interface Numbers {
  readonly remote: RemoteGenerator;
  next: number;
  over: boolean;
}

/** One side with all that it has done. */
class Actor {
  readonly side: Side;
  readonly #functions: Fn[] = [];
  readonly #answers: Promise<unknown>[] = [];
  readonly reading = new Map<RemoteGenerator, Numbers>();
  /** What was written to each stream of this side, and how that ended. */
  readonly taken: { readonly chunks: number[]; end: string }[] = [];
  readonly #writing = new Map<
    WritableStream,
    { readonly writer: WritableStreamDefaultWriter; next: number; end: string }
  >();
  made = 0;
  begun = 0;
  cleaned = 0;
  called = 0;
  asked = 0;

  constructor(side: Side) {
    this.side = side;
  }

  /** A function of this side, new or given before; its work is to add its own number. */
  giveFunction(again: number): void {
    const known = this.#functions[again];
    const number = this.#functions.length;
    const fn: Fn = known ?? (async (n) => (this.called++, n + number));
    if (!known) this.#functions.push(fn);
    this.#keep(this.side.give({ fn, number: known ? again : number }));
  }

  giveNumbers(length: number, size: number): void {
    this.made++;
    const actor = this;
    this.#keep(
      this.side.give(
        (async function* () {
          actor.begun++;
          try {
            for (let n = 0; n < length; n++) yield { n, bytes: new Uint8Array(size) };
          } finally {
            actor.cleaned++;
          }
        })(),
      ),
    );
  }

  giveSink(): void {
    const seen = { chunks: [] as number[], end: "" };
    const number = this.taken.push(seen) - 1;
    const stream = new WritableStream<{ n: number }>({
      write: ({ n }) => void seen.chunks.push(n),
      close: () => void (seen.end = "closed"),
      abort: () => void (seen.end = "aborted"),
    });
    this.#keep(this.side.give({ stream, number }));
  }

  write(index: number, size: number): void {
    const writing = this.#writingTo(index);
    if (!writing || writing.end) return;
    this.#keep(writing.writer.write({ n: writing.next++, bytes: new Uint8Array(size) }));
  }

  close(index: number, how: "closed" | "aborted"): void {
    const writing = this.#writingTo(index);
    if (!writing || writing.end) return;
    writing.end = how;
    this.#keep(how === "closed" ? writing.writer.close() : writing.writer.abort(new Error("enough")));
  }

  /** For each stream that it was given: how much it wrote, and how it ended that. */
  written(): { number: number; count: number; end: string }[] {
    return this.side.inbox.filter(isSink).map(({ stream, number }) => {
      const { next, end } = this.#writing.get(stream) ?? { next: 0, end: "" };
      return { number, count: next, end };
    });
  }

  #writingTo(index: number) {
    const given = this.side.inbox.filter(isSink)[index];
    if (!given) return undefined;
    let writing = this.#writing.get(given.stream);
    if (!writing) {
      writing = { writer: given.stream.getWriter(), next: 0, end: "" };
      writing.writer.closed.catch(() => {});
      this.#writing.set(given.stream, writing);
    }
    return writing;
  }

  /** Calls what has come, and checks the answer. */
  call(index: number, n: number): void {
    const given = this.side.inbox.filter(isFunction);
    if (given.length === 0) return;
    const { fn, number } = given[index % given.length]!;
    this.asked++;
    this.#keep(fn(n).then((answer) => assert.equal(answer, n + number)));
  }

  /** Gives back what has come: it must arrive as what it is there. */
  giveBack(index: number): void {
    const given = this.side.inbox.filter(isFunction);
    if (given.length === 0) return;
    const { fn, number } = given[index % given.length]!;
    this.#keep(this.side.give({ fn, number, home: !this.#functions.includes(fn) }));
  }

  /** Those of its own that have come home are themselves. */
  atHome(): boolean[] {
    return this.side.inbox
      .filter(isFunction)
      .filter(({ home }) => home === true)
      .map(({ fn, number }) => this.#functions[number] === fn);
  }

  release(index: number): void {
    const at = this.side.inbox.findIndex((value, position) => position >= index && isFunction(value));
    if (at < 0) return;
    const [{ fn }] = this.side.inbox.splice(at, 1) as [{ fn: Fn }];
    if (!this.side.inbox.some((value) => isFunction(value) && value.fn === fn)) fn[Symbol.dispose]?.();
  }

  read(index: number): void {
    const numbers = this.#numbers(index);
    if (!numbers || numbers.over) return;
    this.#keep(
      numbers.remote.next().then(({ done, value }) => {
        if (done) numbers.over = true;
        else assert.equal((value as { n: number }).n, numbers.next++);
      }),
    );
  }

  leave(index: number): void {
    const numbers = this.#numbers(index);
    if (!numbers || numbers.over) return;
    numbers.over = true;
    this.#keep(numbers.remote.return(undefined).then((end) => assert.equal(end.done, true)));
  }

  /** Whatever it still holds. */
  leaveAll(): void {
    while (this.side.inbox.some(isFunction)) this.release(0);
    for (let index = 0; this.#numbers(index); index++) this.leave(index);
    for (let index = 0; this.#writingTo(index); index++) this.close(index, "closed");
  }

  async answers(): Promise<void> {
    await Promise.all(this.#answers);
  }

  #keep(answer: Promise<unknown>): void {
    answer.catch(() => {});
    this.#answers.push(answer);
  }

  #numbers(index: number): Numbers | undefined {
    const remote = this.side.inbox.filter((value) => value instanceof RemoteGenerator)[index];
    if (!remote) return undefined;
    const known = this.reading.get(remote) ?? { remote, next: 0, over: false };
    this.reading.set(remote, known);
    return known;
  }
}

function isFunction(value: unknown): value is { fn: Fn; number: number; home?: boolean } {
  return typeof (value as { fn?: unknown }).fn === "function";
}

function isSink(value: unknown): value is { stream: WritableStream; number: number } {
  return (value as { stream?: unknown }).stream instanceof WritableStream;
}

type Act = (actor: Actor, pair: Pair) => void | Promise<void>;

const small = fc.nat({ max: 5 });
const act: fc.Arbitrary<Act> = fc.oneof(
  small.map<Act>((again) => (actor) => actor.giveFunction(again)),
  fc.tuple(fc.nat({ max: 40 }), fc.constantFrom(0, 10, 70_000, 400_000)).map<Act>(([length, size]) => (actor) => {
    actor.giveNumbers(length, size);
  }),
  fc.tuple(small, fc.nat({ max: 99 })).map<Act>(
    ([index, n]) =>
      (actor) =>
        actor.call(index, n),
  ),
  small.map<Act>((index) => (actor) => actor.giveBack(index)),
  small.map<Act>((index) => (actor) => actor.release(index)),
  { weight: 4, arbitrary: small.map<Act>((index) => (actor) => actor.read(index)) },
  small.map<Act>((index) => (actor) => actor.leave(index)),
  fc.constant<Act>((actor) => actor.giveSink()),
  {
    weight: 3,
    arbitrary: fc.tuple(small, fc.constantFrom(0, 10, 70_000, 400_000)).map<Act>(
      ([index, size]) =>
        (actor) =>
          actor.write(index, size),
    ),
  },
  fc.tuple(small, fc.constantFrom("closed", "aborted")).map<Act>(
    ([index, how]) =>
      (actor) =>
        actor.close(index, how),
  ),
  {
    weight: 6,
    arbitrary: fc.integer({ min: 1, max: 6 }).map<Act>(
      (count) =>
        (actor, { deliver }) =>
          deliver(actor.side, count),
    ),
  },
);

test("whatever is lent, called, read, left and let go in whatever order: nothing is lost, doubled or left over", async () => {
  const script = fc.array(fc.tuple(fc.boolean(), act), { maxLength: 60, size: "max" });
  await fc.assert(
    fc.asyncProperty(script, async (steps) => {
      const pair = twoScopes();
      const actors = [new Actor(pair.left), new Actor(pair.right)] as const;
      for (const [isLeft, step] of steps) await step(actors[isLeft ? 0 : 1], pair);
      await pair.settle();
      for (const actor of actors) {
        expect(actor.atHome()).not.toContain(false);
        actor.leaveAll();
      }
      await pair.settle();
      // What came after that, on its way at the time.
      for (const actor of actors) actor.leaveAll();
      await pair.settle();
      const [left, right] = actors;
      await Promise.all([left.answers(), right.answers()]);
      expect(left.called + right.called).toBe(right.asked + left.asked);
      for (const actor of actors) {
        expect(actor.cleaned).toBe(actor.begun);
        expect(actor.side.failures).toEqual([]);
        const other = actors.find((each) => each !== actor)!;
        for (const { number, count, end } of actor.written()) {
          const seen = other.taken[number]!;
          const all = [...Array(count).keys()];
          expect(seen.end).toBe(end);
          // An abort may come before what was still on its way.
          expect(seen.chunks).toEqual(end === "closed" ? all : all.slice(0, seen.chunks.length));
        }
        // The inbox, and nothing else.
        expect([actor.side.scope.lent, actor.side.scope.borrowed, actor.side.scope.asked]).toEqual([1, 1, 0]);
      }
      await Promise.all([pair.left.scope.end(), pair.right.scope.end()]);
      expect([pair.left.scope.lent, pair.right.scope.borrowed]).toEqual([0, 0]);
    }),
    { numRuns: 500 },
  );
}, 120_000);

test("whenever a side ends: all that waits is told, every generator that began has cleaned up", async () => {
  const script = fc.tuple(
    fc.array(fc.tuple(fc.boolean(), act), { maxLength: 40, size: "max" }),
    fc.boolean(),
    fc.boolean(),
  );
  await fc.assert(
    fc.asyncProperty(script, async ([steps, leftFirst, failed]) => {
      const pair = twoScopes();
      const actors = [new Actor(pair.left), new Actor(pair.right)] as const;
      for (const [isLeft, step] of steps) await step(actors[isLeft ? 0 : 1], pair);
      const error = failed ? new Error("over") : undefined;
      const [first, second] = leftFirst ? [pair.left, pair.right] : [pair.right, pair.left];
      await first.scope.end(error);
      await pair.deliver(second, 3);
      await second.scope.end(error);
      await pair.settle();
      for (const actor of actors) {
        const ends = await Promise.race([
          actor.answers().then(
            () => "told",
            () => "told",
          ),
          new Promise((resolve) => setTimeout(resolve, 1000, "still waiting")),
        ]);
        expect(ends).toBe("told");
        expect(actor.cleaned).toBe(actor.begun);
        expect([actor.side.scope.lent, actor.side.scope.borrowed, actor.side.scope.asked]).toEqual([0, 0, 0]);
      }
    }),
    { numRuns: 500 },
  );
}, 120_000);
