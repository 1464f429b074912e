/* oxlint-disable vitest/expect-expect -- types are looked at by the compiler: `npm run typecheck` */
import { type Context, type MapOptions, type MapSettled, flame } from "tinderbox";
import { describe, expectTypeOf, test } from "vitest";

type Results<T> = AsyncGenerator<T, void, undefined>;

// Nothing runs: types are all that is looked at.
const never = (): boolean => false;

describe("types of flame.map", () => {
  test("results are what the function gives, awaited", () => {
    if (!never()) return;
    expectTypeOf(flame.map([1, 2], (n) => n)).toEqualTypeOf<Results<number>>();
    expectTypeOf(flame.map([1, 2], async (n) => `${n}`)).toEqualTypeOf<Results<string>>();
    expectTypeOf(flame.map(["a"], () => {})).toEqualTypeOf<Results<void>>();
    expectTypeOf(flame.map(["a"], () => null)).toEqualTypeOf<Results<null>>();
    expectTypeOf(flame.map([1], (n) => ({ n, pair: [n, "x"] as const }))).toEqualTypeOf<
      Results<{ n: number; pair: readonly [number, "x"] }>
    >();
  });

  test("items are those of any iterable, and the context is one", () => {
    if (!never()) return;
    flame.map(new Map<string, number>(), (item, context) => {
      expectTypeOf(item).toEqualTypeOf<[string, number]>();
      expectTypeOf(context).toEqualTypeOf<Context>();
    });
    flame.map(
      (function* () {
        yield 1 as const;
      })(),
      (item) => expectTypeOf(item).toEqualTypeOf<1>(),
    );
    flame.map(
      (async function* () {
        yield { url: "" };
      })(),
      (item) => expectTypeOf(item).toEqualTypeOf<{ url: string }>(),
    );
    flame.map(new ReadableStream<Uint8Array>(), (item) => expectTypeOf(item).toEqualTypeOf<Uint8Array>());
    flame.map([1, "a"] as const, (item) => expectTypeOf(item).toEqualTypeOf<1 | "a">());
  });

  test("with settle they are outcomes, with index and item", () => {
    if (!never()) return;
    const settled = flame.map([1], async (n) => `${n}`, { settle: true });
    expectTypeOf(settled).toEqualTypeOf<Results<MapSettled<number, string>>>();
    expectTypeOf<MapSettled<number, string>>().toExtend<PromiseSettledResult<string>>();
    expectTypeOf<MapSettled<number, string>["item"]>().toEqualTypeOf<number>();
    expectTypeOf(flame.map([1], (n) => n, { settle: false })).toEqualTypeOf<Results<number>>();
    expectTypeOf(flame.map([1], (n) => n, { ordered: false, concurrency: 2 })).toEqualTypeOf<Results<number>>();
  });

  test("generic wrappers keep them, and options that are not known yet give both", () => {
    if (!never()) return;
    const each = <T, R>(items: Iterable<T>, fn: (item: T) => R) => flame.map(items, fn, { timeout: "5s" });
    expectTypeOf(each([1], async (n) => [n])).toEqualTypeOf<Results<number[]>>();
    const options = {} as MapOptions;
    expectTypeOf(flame.map([1], (n) => `${n}`, options)).toEqualTypeOf<Results<string | MapSettled<number, string>>>();
  });

  test("what makes no sense is an error", () => {
    if (!never()) return;
    // @ts-expect-error: not iterable
    flame.map(7, (n) => n);
    // @ts-expect-error: the function takes another type
    flame.map([1], (text: string) => text);
    // @ts-expect-error: no such option
    flame.map([1], (n) => n, { concurency: 2 });
    // @ts-expect-error: an order is yes or no
    flame.map([1], (n) => n, { ordered: "yes" });
  });
});
