import { transform } from "esbuild";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import * as errors from "../src/errors.ts";

type Errors = typeof errors;
const { errorClasses, TinderboxError, BootError, CallTimeoutError, ProtocolError, RunnerLostError } = errors;

const codes = {
  TinderboxError: "ERR_TINDERBOX",
  CaptureError: "ERR_TINDERBOX_CAPTURE",
  EntryError: "ERR_TINDERBOX_ENTRY",
  BootError: "ERR_TINDERBOX_BOOT",
  QueueTimeoutError: "ERR_TINDERBOX_QUEUE_TIMEOUT",
  QueueFullError: "ERR_TINDERBOX_QUEUE_FULL",
  CallTimeoutError: "ERR_TINDERBOX_CALL_TIMEOUT",
  RunnerLostError: "ERR_TINDERBOX_RUNNER_LOST",
  ProtocolError: "ERR_TINDERBOX_PROTOCOL",
  PoolClosedError: "ERR_TINDERBOX_POOL_CLOSED",
  AbortError: "ABORT_ERR",
  ChildStartError: "ERR_TINDERBOX_CHILD_START",
  MaxRestartIntensityError: "ERR_TINDERBOX_MAX_RESTART_INTENSITY",
  SupervisorError: "ERR_TINDERBOX_SUPERVISOR",
  CommandError: "ERR_TINDERBOX_COMMAND",
  BinaryExitError: "ERR_TINDERBOX_BINARY_EXIT",
  BinaryStartError: "ERR_TINDERBOX_BINARY_START",
  BinaryProtocolError: "ERR_TINDERBOX_BINARY_PROTOCOL",
  StoreError: "ERR_TINDERBOX_STORE",
  StoreConflictError: "ERR_TINDERBOX_STORE_CONFLICT",
  StoreDataError: "ERR_TINDERBOX_STORE_DATA",
  LeaseLostError: "ERR_TINDERBOX_LEASE_LOST",
  Ec2Error: "ERR_TINDERBOX_EC2",
  ContainerError: "ERR_TINDERBOX_CONTAINER",
  ReleaseError: "ERR_TINDERBOX_RELEASE",
} as const;
const names = Object.keys(codes) as (keyof typeof codes)[];

/** Whether errors of class `name` are errors of class `other`, too. */
function derives(name: keyof typeof codes, other: keyof typeof codes): boolean {
  const [Class, Other] = [errorClasses[name], errorClasses[other]];
  return Class === Other || Object.prototype.isPrototypeOf.call(Other.prototype, Class.prototype);
}

test("every exported error class is in the table, and has its code here", () => {
  const exported = Object.entries(errors).filter(([, value]) => typeof value === "function");
  expect(exported.map(([name]) => name).toSorted()).toEqual(names.toSorted());
  expect(Object.keys(errorClasses)).toEqual(names);
});

describe.each(names)("%s", (name) => {
  const Class = errorClasses[name];

  test("has its code, its name and its message", () => {
    const error = new Class("Cannot go on: it is broken");
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(TinderboxError);
    expect({ code: error.code, name: error.name, message: error.message }).toEqual({
      code: codes[name],
      name,
      message: "Cannot go on: it is broken",
    });
    expect(String(error)).toBe(`${name}: Cannot go on: it is broken`);
    expect(error.stack).toContain("errors.test.ts");
    expect(Object.keys(error)).not.toContain("name");
  });

  test("keeps its facts as fields of its own that can be listed, without those that are not known", () => {
    const error = new Class("Cannot go on", { runner: "media-1", attempts: 3, exitCode: undefined });
    expect(Object.entries(error)).toEqual(
      expect.arrayContaining([
        ["code", codes[name]],
        ["runner", "media-1"],
        ["attempts", 3],
      ]),
    );
    expect(Object.keys(error)).not.toContain("exitCode");
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: codes[name], runner: "media-1", attempts: 3 });
  });

  test("keeps its cause, whatever that is, and has none unless it was given one", () => {
    const cause = { odd: true };
    expect(new Class("x", { cause }).cause).toBe(cause);
    expect(new Class("x", { cause: 0 }).cause).toBe(0);
    expect(new Class("x", { cause: null }).cause).toBe(null);
    expect(Object.hasOwn(new Class("x"), "cause")).toBe(false);
    expect(Object.keys(new Class("x", { cause }))).not.toContain("cause");
  });

  test("is() knows it and what derives from it, and nothing else", () => {
    class Derived extends (Class as typeof TinderboxError) {}
    const error = new Class("x");
    expect(Class.is(error)).toBe(true);
    expect(TinderboxError.is(error)).toBe(true);
    expect(Class.is(new Derived("x"))).toBe(true);
    expect(Derived.is(error)).toBe(false);
    for (const other of names.filter((each) => !derives(name, each))) {
      expect(errorClasses[other].is(error)).toBe(false);
    }
    for (const foreign of [undefined, null, 1, "x", {}, new Error("x"), { name, code: codes[name] }]) {
      expect(Class.is(foreign)).toBe(false);
    }
  });
});

describe("another copy of the module", () => {
  const copies: [string, () => Promise<Errors>][] = [
    ["loaded twice", async () => (await import(`../src/errors.ts?${"copy"}`)) as Errors],
    ["bundled and minified, so that its classes have other names", minified],
  ];

  test.each(copies)("%s: is() knows its errors, both ways", async (_, load) => {
    const copy = await load();
    expect(copy.TinderboxError).not.toBe(TinderboxError);
    for (const name of names) {
      const [ours, theirs] = [errorClasses[name], copy.errorClasses[name]];
      expect(theirs).not.toBe(ours);
      expect(new theirs("x")).not.toBeInstanceOf(ours);
      expect([ours.is(new theirs("x")), theirs.is(new ours("x"))]).toEqual([true, true]);
      expect([TinderboxError.is(new theirs("x")), new theirs("x").name]).toEqual([true, name]);
      for (const other of names.filter((each) => !derives(name, each))) {
        expect([errorClasses[other].is(new theirs("x")), copy.errorClasses[other].is(new ours("x"))]).toEqual([
          false,
          false,
        ]);
      }
    }
  });

  async function minified(): Promise<Errors> {
    const source = await readFile(fileURLToPath(new URL("../src/errors.ts", import.meta.url)), "utf8");
    const { code } = await transform(source, { loader: "ts", format: "esm", minify: true });
    expect(code).not.toContain("class BootError");
    return (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as Errors;
  }
});

test("a code given as a fact is that of the base class only", () => {
  expect(new TinderboxError("x", { code: "ERR_TINDERBOX_POOL_NAME" }).code).toBe("ERR_TINDERBOX_POOL_NAME");
  expect(new BootError("x", { code: "OTHER" }).code).toBe("ERR_TINDERBOX_BOOT");
});

test("whether the call had started is a fact of every error about a call", () => {
  const { QueueTimeoutError, QueueFullError, PoolClosedError } = errors;
  const never = [BootError, QueueFullError].map((Class) => new Class("x").started);
  expect(never).toEqual([false, false]);
  expect(new QueueTimeoutError("x", { started: true }).started).toBe(true);
  expect(new CallTimeoutError("x").started).toBe(true);
  expect(new RunnerLostError("x", { started: false }).started).toBe(false);
  expect(new PoolClosedError("x", { started: true }).started).toBe(true);
});

test("the brand by which copies know each other is no field of the error", () => {
  const error = new ProtocolError("x");
  expect(Reflect.ownKeys(error).filter((key) => typeof key === "symbol")).toEqual([]);
  expect(inspect(error)).not.toContain("tinderbox.error");
});

test("what is not given is not shown: no environment, no captured value, no header", () => {
  const { SECRET } = { SECRET: "hunter2-of-the-test" };
  process.env["TINDERBOX_TEST_SECRET"] = SECRET;
  try {
    for (const name of names) {
      const error = new errorClasses[name](`Cannot boot: ${name}`, { phase: "requested", stderr: [] });
      expect(`${inspect(error)} ${JSON.stringify(error)}`).not.toContain(SECRET);
    }
  } finally {
    delete process.env["TINDERBOX_TEST_SECRET"];
  }
});

test("each class has its row in the documentation, with its code", async () => {
  const page = await readFile(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("|"));
  const missing = names.filter(
    (name) =>
      !rows.some((row) => row.includes(`\`${name}\``) && (row.includes(codes[name]) || name === "TinderboxError")),
  );
  expect(missing).toEqual([]);
});
