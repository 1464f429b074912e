import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readdirSync, renameSync } from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { StoreError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { fileDriver } from "../../src/store/drivers/file.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { bytes, create, drain, opened, patterned, peek, refusal, source } from "../../src/testing/store/subject.ts";

const timeoutMs = 5_000;

function openStore() {
  const folder = mkdtempSync(join(testRun.folder, "store-"));
  const clock = new FakeClock();
  const driver = fileDriver({ folder, clock, requestTimeoutMs: timeoutMs });
  onTestFinished(() => driver.close());
  return { clock, driver, folder };
}

const versionOf = (folder: string, key: string): string => {
  const [life] = readdirSync(join(folder, key, "@"));
  const [name] = readdirSync(join(folder, key, "@", life!));
  return join(folder, key, "@", life!, name!);
};

/** Whoever opens the version waits for ever, as on a disk that does not answer. Gives what wakes them. */
function hang(path: string): () => void {
  renameSync(path, `${path}.kept`);
  execFileSync("mkfifo", [path]);
  const wake = (): void => {
    renameSync(path, `${path}.pipe`);
    renameSync(`${path}.kept`, path);
    try {
      closeSync(openSync(`${path}.pipe`, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      // Nobody waits any more.
    }
  };
  return wake;
}

/** Until `release`, a function of the system hangs. */
function hold(name: "link" | "rename" | "unlink") {
  const original = fs[name] as (...args: unknown[]) => Promise<void>;
  const { promise, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const restore = (): void => {
    Object.assign(fs, { [name]: original });
    syncBuiltinESMExports();
  };
  Object.assign(fs, {
    [name]: async (...args: unknown[]) => {
      calls++;
      await promise;
      await original(...args);
    },
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    resolve();
    restore();
  });
  return {
    calls: () => calls,
    restore,
    release: resolve,
  };
}

const requests: [name: string, action: string, act: (driver: StoreDriver) => Promise<unknown>][] = [
  ["get", "read", (driver) => driver.get("a")],
  ["head", "read", (driver) => driver.head("a")],
  ["read", "read", (driver) => driver.read("a")],
  ["list", "list", (driver) => driver.list("")],
  ["put", "write", (driver) => driver.put("a", bytes("two"))],
  ["write", "write", (driver) => driver.write("a", source("two"))],
  ["remove", "remove", (driver) => driver.remove("a")],
];

test.each(requests)(
  "%s ends when the file system does not answer, and nothing was done",
  async (_name, action, act) => {
    const { clock, driver, folder } = openStore();
    await create(driver, "a", "one");
    const wake = hang(versionOf(folder, "a"));
    try {
      const ended = refusal(act(driver));
      await until("its deadline", () => clock.pending() === 1);
      clock.advance(timeoutMs);
      const error = (await ended) as StoreError;
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({ transient: true, maybe: false });
      const what = action === "list" ? `store ${driver.name}` : `"a" of store ${driver.name}`;
      expect(error.message).toBe(
        `Cannot ${action} ${what}: the file system has not answered for 5 s; see whether its disk is well`,
      );
    } finally {
      wake();
    }
    expect([await peek(driver, "a"), clock.pending()]).toEqual(["one", 0]);
  },
);

test.each([
  ["put", "link", (driver: StoreDriver) => driver.put("a", bytes("two"))],
  ["remove", "link", (driver: StoreDriver) => driver.remove("a")],
  ["put", "rename", (driver: StoreDriver) => driver.put("new", bytes("one"))],
] as const)("%s that hangs in %s may yet be done, and says so", async (_request, name, act) => {
  const { clock, driver } = openStore();
  await create(driver, "a", "one");
  const held = hold(name);
  const ended = refusal(act(driver));
  await until("the call", () => held.calls() === 1);
  // Two bytes are given a little more.
  clock.advance(timeoutMs + 1);
  expect(await ended).toMatchObject({ transient: true, maybe: true });
  held.restore();
  held.release();
});

test("a reader may take its time", async () => {
  const { clock, driver } = openStore();
  await driver.put("a", patterned(1_000_000));
  const { body } = await opened(driver.read("a"));
  const iterator = body[Symbol.asyncIterator]();
  clock.advance(10 * timeoutMs);
  expect((await iterator.next()).done).toBe(false);
  clock.advance(10 * timeoutMs);
  expect((await iterator.next()).done).toBe(false);
  expect(await drain({ etag: "", size: 0, body: { [Symbol.asyncIterator]: () => iterator } })).toHaveLength(
    1_000_000 - 2 * 128 * 1_024,
  );
  expect(clock.pending()).toBe(0);
});

test.each(["read on", "close"])("a body whose next piece does not come ends: %s", async (then) => {
  const { clock, driver } = openStore();
  await driver.put("a", patterned(1_000_000));
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  const original = fs.open;
  const restore = (): void => {
    Object.assign(fs, { open: original });
    syncBuiltinESMExports();
  };
  onTestFinished(() => {
    resolve();
    restore();
  });
  let reads = 0;
  // Only what comes after the header hangs, and then closing it does, too.
  Object.assign(fs, {
    open: async (...args: Parameters<typeof original>) => {
      const handle = await original(...args);
      const read = handle.read.bind(handle) as (...given: unknown[]) => Promise<unknown>;
      const close = handle.close.bind(handle);
      return Object.assign(handle, {
        read: async (...given: unknown[]) => (reads++ === 0 ? read(...given) : answer.then(() => read(...given))),
        close: () => answer.then(close),
      });
    },
  });
  syncBuiltinESMExports();
  const { body } = await opened(driver.read("a"));
  const iterator = body[Symbol.asyncIterator]();
  const next = refusal(iterator.next());
  await until("the read", () => reads === 2);
  if (then === "close") {
    const closed = driver.close();
    await until("the deadlines", () => clock.pending() === 2);
    clock.advance(timeoutMs);
    await closed;
  } else clock.advance(timeoutMs);
  expect(await next).toMatchObject({
    message: `Cannot read "a" of store ${driver.name}: the file system has not answered for 5 s; see whether its disk is well`,
    transient: true,
  });
  await refusal(iterator.next());
  expect(clock.pending()).toBe(0);
});

test("each try of a write has its own time", async () => {
  const { clock, driver, folder } = openStore();
  const other = fileDriver({ folder, clock: new FakeClock() });
  onTestFinished(() => other.close());
  await create(driver, "a", "one");
  let held = hold("link");
  const put = driver.put("a", bytes("mine"));
  await until("the first try", () => held.calls() === 1);
  clock.advance(timeoutMs - 1_000);
  const first = held;
  first.restore();
  await create(other, "a", "theirs");
  held = hold("link");
  first.release();
  await until("the second try", () => held.calls() === 1);
  clock.advance(timeoutMs - 1_000);
  held.release();
  held.restore();
  expect(await put).not.toBe("lost");
  expect(await peek(driver, "a")).toBe("mine");
});

test("a source that is slow is waited for", async () => {
  const { clock, driver } = openStore();
  const { promise: go, resolve } = Promise.withResolvers<void>();
  let asked = 0;
  const { promise: begin, resolve: start } = Promise.withResolvers<void>();
  async function* slow(): AsyncGenerator<Uint8Array> {
    asked++;
    await begin;
    yield bytes("one ");
    asked++;
    await go;
    yield bytes("two");
  }
  const write = driver.write("a", slow());
  for (const [times, answer] of [start, resolve].entries()) {
    await until("the source to be asked", () => asked === times + 1);
    clock.advance(10 * timeoutMs);
    answer();
  }
  await write;
  expect(await peek(driver, "a")).toBe("one two");
});
