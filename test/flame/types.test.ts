/* oxlint-disable vitest/expect-expect, typescript/no-explicit-any -- types are looked at by the compiler, and any is what users may have */
import type { Readable } from "node:stream";
import { type Context, type Live, type Streaming, type Wrapped, flame, live } from "tinderbox";
import { describe, expectTypeOf, test } from "vitest";

// Never called: the compiler is what looks at them.
const never = (): boolean => false;
declare const untyped: any;
class Money {
  readonly cents: number;
  constructor(...[net = 1]: [net?: number, tax?: bigint | undefined]) {
    this.cents = net;
  }
}

describe("what flame returns", () => {
  test("is a promise of what the closure returns or promises", () => {
    if (!never()) return;
    expectTypeOf(flame(() => 1 as number)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(flame(async () => "a" as const)).toEqualTypeOf<Promise<"a">>();
    expectTypeOf(flame(async () => {})).toEqualTypeOf<Promise<void>>();
    expectTypeOf(flame(() => new Money())).toEqualTypeOf<Promise<Money>>();
    expectTypeOf(flame(({ signal }) => signal.aborted)).toEqualTypeOf<Promise<boolean>>();
    expectTypeOf(flame(() => Promise.resolve([1n]))).toEqualTypeOf<Promise<bigint[]>>();
    expectTypeOf(flame(() => (never() ? 1 : "one"))).toEqualTypeOf<Promise<1 | "one">>();
    expectTypeOf(flame(() => Money)).toEqualTypeOf<Promise<typeof Money>>();
  });

  test("is not taken for a stream where it is any, never or unknown", () => {
    if (!never()) return;
    expectTypeOf(flame(() => untyped)).toEqualTypeOf<Promise<any>>();
    expectTypeOf(flame(async () => JSON.parse("1") as unknown)).toEqualTypeOf<Promise<unknown>>();
    expectTypeOf(flame(async () => untyped)).toEqualTypeOf<Promise<any>>();
    expectTypeOf(
      flame((): never => {
        throw new Error("no");
      }),
    ).toEqualTypeOf<Promise<never>>();
  });

  test("can be iterated where the closure is a generator, or returns what can be", () => {
    if (!never()) return;
    const counting = flame(async function* () {
      yield 1 as number;
      return "end" as const;
    });
    expectTypeOf(counting).toEqualTypeOf<Streaming<AsyncGenerator<number, "end", undefined>, number>>();
    expectTypeOf(
      flame(function* () {
        yield "a" as string;
      }),
    ).toEqualTypeOf<Streaming<AsyncGenerator<string, void, undefined>, string>>();
    const bytes = flame(() => new ReadableStream<Uint8Array>());
    expectTypeOf(bytes).toEqualTypeOf<Streaming<ReadableStream<Uint8Array>, Uint8Array>>();
    expectTypeOf(flame(async () => ({}) as AsyncIterable<Money>)).toEqualTypeOf<
      Streaming<AsyncIterable<Money>, Money>
    >();
    expectTypeOf(flame(() => ({}) as Readable)).toEqualTypeOf<Streaming<Readable, unknown>>();
  });

  test("is a live function where the closure returns one", () => {
    if (!never()) return;
    const add = flame(() => (left: number, right: bigint) => `${left}${right}`);
    expectTypeOf(add).toEqualTypeOf<Promise<Live<(left: number, right: bigint) => string>>>();
    expectTypeOf<Awaited<typeof add>>().toBeCallableWith(1, 1n);
    expectTypeOf<ReturnType<Awaited<typeof add>>>().toEqualTypeOf<Promise<string>>();
  });

  test("is kept by generic wrappers", () => {
    if (!never()) return;
    const onMedia = <T>(fn: (context: Context) => T) => flame(fn, { pool: "media" });
    expectTypeOf(onMedia(() => 1 as number)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(onMedia(async () => new Money())).toEqualTypeOf<Promise<Money>>();
  });

  test("is refused where options make no sense", () => {
    if (!never()) return;
    // @ts-expect-error there is no such option
    void flame(() => 1, { timeuot: 1 });
    // @ts-expect-error a duration has a unit
    void flame(() => 1, { timeout: "1 fortnight" });
  });
});

describe("live", () => {
  test("makes every function one that gives a promise, and can be disposed", () => {
    if (!never()) return;
    const tick = live((done: number, of: string) => done > of.length);
    expectTypeOf(tick).parameters.toEqualTypeOf<[number, string]>();
    expectTypeOf(tick).returns.toEqualTypeOf<Promise<boolean>>();
    expectTypeOf(tick).toExtend<Disposable>();
    expectTypeOf(live(async () => 1 as number)).returns.toEqualTypeOf<Promise<number>>();
    // @ts-expect-error only functions are live
    live({ method() {} });
  });
});

describe("wrap", () => {
  test("keeps arguments and result", () => {
    if (!never()) return;
    const price = flame.wrap(async (net: number, tax?: bigint) => new Money(net, tax));
    expectTypeOf(price).toExtend<Wrapped<[net: number, tax?: bigint], Promise<Money>>>();
    expectTypeOf(price(1)).toEqualTypeOf<Promise<Money>>();
    expectTypeOf(price.with({ timeout: "1s" })(1, 2n)).toEqualTypeOf<Promise<Money>>();
    // @ts-expect-error an argument is missing
    void price();
    const upTo = flame.wrap(async function* (n: number) {
      yield n;
    });
    expectTypeOf(upTo(3)).toEqualTypeOf<Streaming<AsyncGenerator<number, void, undefined>, number>>();
    expectTypeOf(flame.wrap((n: number) => () => n)(1)).toEqualTypeOf<Promise<Live<() => number>>>();
  });

  test("takes functions only where they return nothing or a promise", () => {
    if (!never()) return;
    expectTypeOf(flame.wrap(async (tell: (n: number) => void) => tell(1))).toBeCallableWith(() => {});
    expectTypeOf(flame.wrap(async (ask: () => Promise<string>) => ask())).returns.toEqualTypeOf<Promise<string>>();
    // @ts-expect-error what it returns would be a promise on the runner
    flame.wrap(async (ask: () => string) => ask());
  });
});

describe("cast", () => {
  test("promises nothing but acceptance", () => {
    if (!never()) return;
    expectTypeOf(flame.cast(() => 1)).toEqualTypeOf<Promise<void>>();
  });
});
