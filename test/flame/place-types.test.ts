/* oxlint-disable vitest/expect-expect, typescript/no-explicit-any -- types are looked at by the compiler, and any is what users may have */
import { Readable } from "node:stream";
import { type Live, type PlaceOptions, type Remote, type Streaming, flame } from "tinderbox";
import { describe, expectTypeOf, test } from "vitest";

// Never called: the compiler is what looks at them.
const never = (): boolean => false;
declare const untyped: any;
const symbol = Symbol.for("symbol");

class Base {
  inherited(): "base" {
    return "base";
  }
}

class Encoder extends Base {
  readonly preset: string;
  count = 0;
  loose: any = untyped;
  onDone: (() => void) | undefined;
  #secret = 1;
  constructor(preset: string) {
    super();
    this.preset = preset;
  }
  get size(): number {
    return this.count + this.#secret;
  }
  push(chunk: Uint8Array, last?: boolean): number {
    return last ? chunk.length : 0;
  }
  async finish(): Promise<Map<string, bigint>> {
    return new Map();
  }
  clear(): void {}
  any(): any {
    return untyped;
  }
  fail(): never {
    throw new Error("no");
  }
  unknown(): unknown {
    return untyped;
  }
  maybe(): string | undefined {
    return undefined;
  }
  many(...rest: number[]): number[] {
    return [...rest];
  }
  *numbers(): Generator<number, string, undefined> {
    yield 1;
    return "end";
  }
  async *frames(from: number): AsyncGenerator<Uint8Array, void, undefined> {
    yield new Uint8Array(from);
  }
  async *inferred() {
    yield 1;
  }
  stream(): ReadableStream<string> {
    return new ReadableStream();
  }
  async node(): Promise<Readable> {
    return Readable.from([]);
  }
  iterable(): AsyncIterable<Date> {
    return this.frames(1) as never;
  }
  adder(): (n: number) => number {
    return (n) => n;
  }
  watch(tell: (n: number) => void, ask: () => Promise<string>): void {
    tell(1);
    void ask();
  }
  order(compare: (left: number, right: number) => number): void {
    compare(1, 2);
  }
  [symbol](): void {}
  private hidden(): void {}
  run(): void {
    this.hidden();
  }
}

declare const remote: Remote<Encoder>;

describe("Remote", () => {
  test("has the methods, inherited ones too, and nothing else", () => {
    type Keys = Exclude<keyof Remote<Encoder>, typeof Symbol.asyncDispose>;
    expectTypeOf<Keys>().toEqualTypeOf<
      // prettier-ignore
      | "inherited"
      | "push"
      | "finish"
      | "clear"
      | "any"
      | "fail"
      | "unknown"
      | "maybe"
      | "many"
      | "numbers"
      | "frames"
      | "inferred"
      | "stream"
      | "node"
      | "iterable"
      | "adder"
      | "watch"
      | "order"
      | "run"
    >();
    expectTypeOf<Remote<Encoder>>().toExtend<AsyncDisposable>();
    expectTypeOf<Exclude<keyof Remote<PromiseLike<1>>, typeof Symbol.asyncDispose>>().toEqualTypeOf<never>();
    // @ts-expect-error a field
    void (() => remote.preset);
    // @ts-expect-error a getter
    void (() => remote.size);
  });

  test("gives promises of what methods return", () => {
    if (!never()) return;
    expectTypeOf(remote.inherited()).toEqualTypeOf<Promise<"base">>();
    expectTypeOf(remote.push(new Uint8Array(1))).toEqualTypeOf<Promise<number>>();
    expectTypeOf(remote.finish()).toEqualTypeOf<Promise<Map<string, bigint>>>();
    expectTypeOf(remote.clear()).toEqualTypeOf<Promise<void>>();
    expectTypeOf(remote.maybe()).toEqualTypeOf<Promise<string | undefined>>();
    expectTypeOf(remote.unknown()).toEqualTypeOf<Promise<unknown>>();
    expectTypeOf(remote.any()).toEqualTypeOf<Promise<any>>();
    expectTypeOf(remote.fail()).toEqualTypeOf<Promise<never>>();
    expectTypeOf(remote.adder()).toEqualTypeOf<Promise<Live<(n: number) => number>>>();
  });

  test("gives what can be iterated or awaited where a method gives a stream", () => {
    if (!never()) return;
    expectTypeOf(remote.numbers()).toEqualTypeOf<Streaming<AsyncGenerator<number, string, undefined>, number>>();
    expectTypeOf(remote.frames(1)).toEqualTypeOf<Streaming<AsyncGenerator<Uint8Array, void, undefined>, Uint8Array>>();
    expectTypeOf(remote.inferred()).toEqualTypeOf<Streaming<AsyncGenerator<number, void, undefined>, number>>();
    expectTypeOf(remote.stream()).toEqualTypeOf<Streaming<ReadableStream<string>, string>>();
    expectTypeOf(remote.node()).toEqualTypeOf<Streaming<Readable, unknown>>();
    expectTypeOf(remote.iterable()).toEqualTypeOf<Streaming<AsyncIterable<Date>, Date>>();
  });

  test("keeps parameters, and wants functions that give nothing or a promise", () => {
    if (!never()) return;
    expectTypeOf(remote.push).parameters.toEqualTypeOf<[chunk: Uint8Array, last?: boolean | undefined]>();
    expectTypeOf(remote.many).parameters.toEqualTypeOf<number[]>();
    void remote.watch((n) => void n, async () => "a"); // prettier-ignore
    // @ts-expect-error on the runner it gives a promise
    void remote.order((left, right) => left - right);
    // @ts-expect-error a wrong argument
    void remote.push("text");
  });
});

describe("flame.place", () => {
  test("takes factories, asynchronous ones too, and gives a promise of the object", () => {
    if (!never()) return;
    expectTypeOf(flame.place(() => new Encoder("fast"))).toEqualTypeOf<Promise<Remote<Encoder>>>();
    expectTypeOf(flame.place(async () => new Encoder("fast"))).toEqualTypeOf<Promise<Remote<Encoder>>>();
    expectTypeOf(flame.place(({ signal }) => ({ aborted: () => signal.aborted }))).toEqualTypeOf<
      Promise<Remote<{ aborted: () => boolean }>>
    >();
    // @ts-expect-error no object
    void flame.place(() => 7);
    // @ts-expect-error an option of calls that makes no sense here
    void flame.place(() => new Encoder("fast"), { retries: 1 });
    // @ts-expect-error no such policy
    void flame.place(() => new Encoder("fast"), { restart: "always" });
    const options: PlaceOptions = { key: "a", idle: "5m", restart: "permanent", concurrency: 1, timeout: "1m" };
    void flame.place(() => new Encoder("fast"), options);
  });

  test("what was captured is on a runner what it is here", () => {
    if (!never()) return;
    expectTypeOf(flame(async () => remote.push(new Uint8Array(1)))).toEqualTypeOf<Promise<number>>();
  });
});
