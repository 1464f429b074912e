import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { StoreDataError, StoreError } from "../../src/errors.ts";
import { explained } from "../../src/store/drivers/file-errors.ts";
import { decodeHeader, successor } from "../../src/store/drivers/file-header.ts";
import { Stage } from "../../src/store/drivers/file-stage.ts";
import { fileDriver } from "../../src/store/drivers/file.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { testRun } from "../harness/run.ts";
import {
  create,
  done,
  drain,
  found,
  keysOf,
  opened,
  patterned,
  peek,
  refusal,
  source,
} from "../../src/testing/store/subject.ts";

function openStore(folder = join(mkdtempSync(join(testRun.folder, "store-")), "made")) {
  const clock = new FakeClock();
  const driver = fileDriver({ folder, clock });
  onTestFinished(() => driver.close());
  return { clock, driver, folder };
}

/** Files of the versions of a key. */
const versions = (folder: string, key: string): string[] => {
  const lives = readdirSync(join(folder, key, "@"));
  return lives.flatMap((life) => readdirSync(join(folder, key, "@", life)).map((name) => join(key, "@", life, name)));
};
const numbers = (folder: string, key: string): number[] =>
  versions(folder, key)
    .map((path) => Number(basename(path)))
    .toSorted((left, right) => left - right);
const temporaries = (folder: string): string[] => readdirSync(join(folder, ".tmp"));

/** Descriptors of this process that are open below a folder. */
function descriptors(folder: string): number {
  const target = (fd: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  };
  return readdirSync("/proc/self/fd").filter((fd) => target(fd).startsWith(folder)).length;
}

test("the folder is made by the first write, for this user alone, and not by reading", async () => {
  const { driver, folder } = openStore();
  expect(driver.name).toBe(pathToFileURL(folder).href);
  expect([await driver.get("a"), await driver.read("a"), await driver.remove("a")]).toEqual([
    undefined,
    undefined,
    "done",
  ]);
  expect(await keysOf(driver)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
  await create(driver, "a", "one");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test("old versions are removed, but for a few", async () => {
  const { driver, folder } = openStore();
  for (let round = 0; round < 30; round++) await create(driver, "a", `round ${round}`);
  expect(numbers(folder, "a")).toEqual([23, 24, 25, 26, 27, 28, 29, 30]);
  expect(temporaries(folder)).toEqual([]);
});

test("what is large does not stay when it was replaced", async () => {
  const { driver, folder } = openStore();
  for (let round = 0; round < 3; round++) done(await driver.put("a", patterned(1_100_000)));
  expect(numbers(folder, "a")).toEqual([3]);
});

test("of what was removed nothing stays, once a minute has gone by and something is written", async () => {
  const { clock, driver, folder } = openStore();
  for (const key of ["a", "a/b", "c/d/e"]) await create(driver, key, "one");
  const first = await create(driver, "a", "small");
  expect(await driver.remove("a")).toBe("done");
  expect(readdirSync(join(folder, "a"))).toEqual(["b"]);
  expect(await driver.remove("c/d/e")).toBe("done");
  expect(readdirSync(folder).toSorted()).toEqual([".tmp", "a"]);
  // A writer that was stopped may still want to know.
  expect(temporaries(folder)).toHaveLength(2);
  const again = await create(driver, "a", "again");
  expect([again === first, numbers(folder, "a")]).toEqual([false, [1]]);
  for (const key of ["a", "a/b"]) expect(await driver.remove(key)).toBe("done");
  expect([readdirSync(folder), temporaries(folder).length]).toEqual([[".tmp"], 4]);
  const age = (name: string, seconds: number): void =>
    utimesSync(join(folder, ".tmp", name), clock.wall() / 1_000 - seconds, clock.wall() / 1_000 - seconds);
  clock.advance(60_000);
  temporaries(folder).forEach((name, index) => age(name, index === 0 ? 59 : 61));
  await create(driver, "b", "new");
  expect(temporaries(folder)).toHaveLength(1);
  temporaries(folder).forEach((name) => age(name, 61));
  // Not with every write.
  await create(driver, "b", "new");
  expect(temporaries(folder)).toHaveLength(1);
  clock.advance(60_000);
  await create(driver, "b", "new");
  expect(temporaries(folder)).toEqual([]);
  expect(await keysOf(driver)).toEqual(["b"]);
});

test("files of others in the place of a key are told, and not waited for", async () => {
  const { driver, folder } = openStore();
  await create(driver, "a", "one");
  writeFileSync(join(folder, "a", "@", "notes"), "of somebody else");
  await create(driver, "a", "two");
  await driver.remove("a");
  expect(await driver.get("a")).toBeUndefined();
  await expect(driver.put("a", Buffer.from("three"))).rejects.toThrow(
    /^Cannot write "a" of store .*: files of others are in its folder ".*\/a\/@"; remove them/,
  );
  rmSync(join(folder, "a", "@", "notes"));
  // And who emptied the folder of versions has removed them.
  await create(driver, "a", "three");
  for (const path of versions(folder, "a")) rmSync(join(folder, path));
  expect(await driver.get("a")).toBeUndefined();
  await create(driver, "a", "four");
  expect([await peek(driver, "a"), temporaries(folder).length]).toEqual(["four", 1]);
});

test("an etag does not come back when the folder was cleared", async () => {
  const { driver, folder } = openStore();
  const first = await create(driver, "a", "one");
  rmSync(folder, { recursive: true });
  expect(await driver.get("a")).toBeUndefined();
  const second = await create(driver, "a", "one");
  expect(second).not.toBe(first);
  expect(await driver.put("a", Buffer.from("two"), { condition: { ifMatch: first } })).toBe("lost");
  expect(await driver.get("a", { ifNoneMatch: first })).toMatchObject({ etag: second });
});

test("a write goes on when the folder is cleared meanwhile, and says so when its own file is gone", async () => {
  const { driver, folder } = openStore();
  await create(driver, "a", "one");
  async function* clearing(path: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from("one ");
    rmSync(path, { recursive: true });
    yield Buffer.from("two");
  }
  done(await driver.write("a", clearing(join(folder, "a"))));
  expect(await peek(driver, "a")).toBe("one two");
  const error = (await refusal(driver.write("a", clearing(folder)))) as StoreError;
  expect(error).toBeInstanceOf(StoreError);
  expect([error.message, error.maybe]).toEqual([
    `Cannot write "a" of store ${driver.name}: it was removed meanwhile; leave the folder alone while it is in use (ENOENT)`,
    false,
  ]);
});

test("what dead processes left half-written is cleared after a day", async () => {
  const { clock, folder } = openStore();
  mkdirSync(join(folder, ".tmp"), { recursive: true });
  const hour = 60 * 60 * 1_000;
  for (const hours of [23, 25]) {
    const path = join(folder, ".tmp", `of ${hours} hours`);
    writeFileSync(path, "half");
    utimesSync(path, (clock.wall() - hours * hour) / 1_000, (clock.wall() - hours * hour) / 1_000);
  }
  const driver = fileDriver({ folder, clock });
  await create(driver, "a", "one");
  await driver.close();
  expect(temporaries(folder)).toEqual(["of 23 hours"]);
});

test("no write that fails, loses or is given up leaves a file behind", async () => {
  const { driver, folder } = openStore();
  await create(driver, "a", "one");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield patterned(500_000);
    throw new Error("the source broke");
  }
  await refusal(driver.write("a", broken()));
  expect(await driver.write("a", source("two"), { condition: "absent" })).toBe("lost");
  expect(await driver.put("a", Buffer.from("two"), { condition: "absent" })).toBe("lost");
  const controller = new AbortController();
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield patterned(500_000);
    controller.abort();
    await new Promise(() => undefined);
  }
  await refusal(driver.write("a", silent(), { signal: controller.signal }));
  expect([temporaries(folder), versions(folder, "a").length, descriptors(folder)]).toEqual([[], 1, 0]);
});

test("what was linked is not changed by another attempt", async () => {
  const { folder } = openStore();
  const stage = await Stage.create(folder);
  await stage.append(Buffer.from("body"));
  const first = successor(undefined, stage.content);
  const second = successor(first, stage.content);
  for (const header of [first, second]) {
    await stage.seal(header);
    await stage.linkAs(join(folder, String(header.number)));
  }
  await stage.discard();
  for (const header of [first, second]) {
    const bytes = readFileSync(join(folder, String(header.number)));
    expect([decodeHeader(bytes), bytes.subarray(256).toString()]).toEqual([header, "body"]);
  }
  expect(temporaries(folder)).toEqual([]);
});

test("what a source throws arrives as it is, also when it is an error of the system", async () => {
  const { driver, folder } = openStore();
  const error = await refusal(driver.write("a", createReadStream(join(folder, "none"))));
  expect(error).toMatchObject({ code: "ENOENT", path: join(folder, "none") });
  expect(error).not.toBeInstanceOf(StoreError);
});

test("every way to end reading closes the file", async () => {
  const { driver, folder } = openStore();
  done(await driver.put("a", patterned(1_000_000)));
  await drain(await opened(driver.read("a")));
  for await (const _ of (await opened(driver.read("a"))).body) break;
  await driver.read("a", { ifMatch: "other" });
  expect(descriptors(folder)).toBe(0);
  const controller = new AbortController();
  const aborted = await opened(driver.read("a", { signal: controller.signal }));
  expect(descriptors(folder)).toBe(1);
  controller.abort(new Error("enough"));
  await expect(drain(aborted)).rejects.toThrow("enough");
  expect(descriptors(folder)).toBe(0);
  await driver.read("a");
  expect(descriptors(folder)).toBe(1);
  await driver.close();
  expect(descriptors(folder)).toBe(0);
});

test("bytes that are not those that were written are refused", async () => {
  const { driver, folder } = openStore();
  const body = patterned(400_000);
  done(await driver.put("a", body));
  const [name] = versions(folder, "a");
  const path = join(folder, name!);
  const good = readFileSync(path);
  const spoil = (at: number): void => {
    const bad = Buffer.from(good);
    bad[at]! ^= 1;
    writeFileSync(path, bad);
  };

  spoil(256 + 300_000);
  const wrong = `Cannot read "a" of store ${driver.name}: the checksum of version 1 does not fit its bytes; write it again, or restore it from a backup`;
  for (const error of [await refusal(driver.get("a")), await refusal(drain(await opened(driver.read("a"))))]) {
    expect(error).toBeInstanceOf(StoreDataError);
    expect((error as Error).message).toBe(wrong);
  }
  expect((await drain(await opened(driver.read("a", { start: 1_000, end: 2_000 })))).length).toBe(1_000);

  spoil(20);
  await expect(driver.get("a")).rejects.toThrow("version 1 does not begin as one");
  writeFileSync(path, good.subarray(0, 100));
  await expect(driver.get("a")).rejects.toThrow("version 1 does not begin as one");
  truncateSync(path, 0);
  await expect(driver.read("a")).rejects.toThrow("version 1 does not begin as one");
  writeFileSync(path, good.subarray(0, 399_000));
  await expect(driver.get("a")).rejects.toThrow("version 1 has 398744 bytes instead of 400000");
  writeFileSync(path, good);
  const stream = await opened(driver.read("a"));
  truncateSync(path, 100_000);
  await expect(drain(stream)).rejects.toThrow(/its bytes end at 99744|version 1/);
  expect(descriptors(folder)).toBe(0);
});

test("what is damaged is listed, fits no condition, and can be written over and removed", async () => {
  const { driver, folder } = openStore();
  for (const key of ["a", "b", "c"]) done(await driver.put(key, Buffer.from("good")));
  for (const key of ["a", "b"]) truncateSync(join(folder, versions(folder, key)[0]!), 10);
  const { objects } = await driver.list("");
  expect(objects.map(({ key, size }) => [key, size])).toEqual([
    ["a", 0],
    ["b", 0],
    ["c", 4],
  ]);
  expect(await driver.put("a", Buffer.from("new"), { condition: "absent" })).toBe("lost");
  expect(await driver.put("a", Buffer.from("new"), { condition: { ifMatch: objects[0]!.etag } })).toBe("lost");
  expect(await driver.remove("b", { ifMatch: objects[1]!.etag })).toBe("lost");
  const etag = done(await driver.put("a", Buffer.from("new")));
  expect(await driver.remove("b")).toBe("done");
  expect(await driver.get("a")).toMatchObject({ etag, body: new Uint8Array(Buffer.from("new")) });
  expect(await driver.get("b")).toBeUndefined();
  expect(done(await driver.put("b", Buffer.from("again"), { condition: "absent" }))).toMatch(/^"1-/);
});

test("files and folders of others are left alone", async () => {
  const { driver, folder } = openStore();
  await create(driver, "a", "one");
  await create(driver, "a/b", "two");
  const foreign = [
    "README",
    "Upper/@/0000000000000001",
    "a/notes.txt",
    "a/@/notes",
    "a/@/17",
    "%zz/@/0000000000000001",
    "@/x",
    "c/@/x",
  ];
  for (const name of foreign) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), "of somebody else");
  }
  mkdirSync(join(folder, "empty", "@"), { recursive: true });
  expect(await keysOf(driver)).toEqual(["a", "a/b"]);
  expect([await driver.get("empty"), await driver.get("c")]).toEqual([undefined, undefined]);
  for (let round = 0; round < 12; round++) await create(driver, "a", "again");
  await driver.remove("a");
  for (const name of foreign) expect(readFileSync(join(folder, name), "utf8")).toBe("of somebody else");
});

test("an object is as old as its file", async () => {
  const { clock, driver, folder } = openStore();
  await create(driver, "a", "one");
  const path = join(folder, versions(folder, "a")[0]!);
  utimesSync(path, (clock.wall() - 5_000) / 1_000, (clock.wall() - 5_000) / 1_000);
  expect((await found(driver, "a")).ageMs).toBe(5_000);
  expect((await driver.list("")).objects[0]!.modified).toBe(clock.wall() - 5_000);
  clock.advance(1_000);
  expect((await found(driver, "a")).ageMs).toBe(6_000);
  utimesSync(path, clock.wall() / 1_000 + 60, clock.wall() / 1_000 + 60);
  expect((await found(driver, "a")).ageMs).toBe(0);
});

test("a folder that is a file, and a path that is too long, are told with what to do", async () => {
  const { folder } = openStore();
  mkdirSync(folder);
  writeFileSync(join(folder, "file"), "");
  const { driver } = openStore(join(folder, "file"));
  const wanted = `store ${driver.name}: a part of its path is a file; name a folder, and keep other files out of it (ENOTDIR)`;
  await expect(driver.get("a")).rejects.toThrow(`Cannot read "a" of ${wanted}`);
  await expect(driver.put("a", Buffer.from("one"))).rejects.toThrow(/^Cannot write "a" of store .*(ENOTDIR|EEXIST)/);
  await expect(driver.list("")).rejects.toThrow(`Cannot list ${wanted}`);
  const { driver: deep } = openStore(join(folder, ...Array.from({ length: 15 }, () => "x".repeat(200))));
  const error = (await refusal(deep.put("A".repeat(900), Buffer.from("one")))) as StoreError;
  expect(error.message).toContain("use a shorter key, or a folder with a shorter path (ENAMETOOLONG)");
  expect([error.maybe, error.transient, error.store]).toEqual([false, false, deep.name]);
});

test.for([
  [
    "EACCES",
    "open",
    "permission is denied; let this user read and write the folder and everything in it (EACCES)",
    false,
  ],
  ["ENOSPC", "write", "no space is left; free some, or use a folder on another disk (ENOSPC)", false],
  ["EROFS", "mkdir", "its file system is read-only; use a folder that can be written to (EROFS)", false],
  ["EMFILE", "open", "this process has too many files open; close some, or raise the limit (EMFILE)", true],
  ["EPERM", "link", "its file system has no hard links; use a folder on one that has (EPERM)", false],
  ["EPERM", "open", "it is not permitted; let this user read and write the folder and everything in it (EPERM)", false],
  ["EBUSY", "unlink", "the system says EBUSY", true],
] as const)("%s of %s is told with what to do", ([code, syscall, text, transient]) => {
  const cause = Object.assign(new Error(code), { code, syscall });
  const error = explained(cause, "write", { store: "file:///s", key: "a" }) as StoreError;
  expect(error).toBeInstanceOf(StoreError);
  expect(error.message).toBe(`Cannot write "a" of store file:///s: ${text}`);
  expect(error).toMatchObject({ cause, transient, maybe: false, store: "file:///s", key: "a" });
  expect(explained(cause, "write", { store: "file:///s" }, true)).toMatchObject({ maybe: true });
});
