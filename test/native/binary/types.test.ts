/* oxlint-disable vitest/expect-expect -- types are looked at by the compiler */
import { type BinaryRun, binary } from "tinderbox";
import { expectTypeOf, test } from "vitest";

// Never called: the compiler is what looks at them.
const never = (): boolean => false;

test("the protocol decides what there is, and what it takes and gives", () => {
  if (!never()) return;
  const once = binary("once", { command: "x", size: 2, maxBuffer: "1mb" });
  expectTypeOf(once.run(["a"])).toEqualTypeOf<BinaryRun<Uint8Array>>();
  expectTypeOf(once.run(["a"], { encoding: "utf8" })).toEqualTypeOf<BinaryRun<string>>();
  expectTypeOf(once.run([], { encoding: "bytes", input: "x" })).toEqualTypeOf<BinaryRun<Uint8Array>>();
  // @ts-expect-error it has no protocol
  void once.call("x");
  // @ts-expect-error it is for workers
  binary("a", { command: "x", pipeline: 2 });

  const lines = binary("lines", { command: "x", protocol: "lines" });
  expectTypeOf(lines.call("x")).toEqualTypeOf<Promise<string>>();
  // @ts-expect-error a string is wanted
  void lines.call(1);
  // @ts-expect-error it has a protocol
  void lines.run();
  // @ts-expect-error it is for one-shot binaries
  binary("b", { command: "x", protocol: "lines", maxBuffer: 1 });

  const json = binary<{ q: string }, { a: number }>("json", { command: "x", protocol: "jsonl" });
  expectTypeOf(json.call({ q: "x" })).toEqualTypeOf<Promise<{ a: number }>>();
  // @ts-expect-error another question is wanted
  void json.call("x");
  const loose = binary("loose", {
    command: "x",
    protocol: "jsonl",
    health: { every: "1s", probe: async (call) => (await call(1)) === 2 },
  });
  expectTypeOf(loose.call(1)).toEqualTypeOf<Promise<unknown>>();
  expectTypeOf(loose.call<number>(1)).toEqualTypeOf<Promise<number>>();

  const packets = binary("packets", { command: "x", protocol: { packet: 4 } });
  expectTypeOf(packets.call(new Uint8Array())).toEqualTypeOf<Promise<Uint8Array>>();
  // @ts-expect-error 3 is no length of a prefix
  binary("c", { command: "x", protocol: { packet: 3 } });
});
