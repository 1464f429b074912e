import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { StoreDriver, StoredObject } from "../../src/ports/store.ts";
import { fileDriver } from "../../src/store/drivers/file.ts";
import { testRun } from "../harness/run.ts";
import { runScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { bytes, create, found, peek } from "../../src/testing/store/subject.ts";

const program = (name: string): string => fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));

function openStore(): { folder: string; driver: StoreDriver } {
  const folder = mkdtempSync(join(testRun.folder, "store-"));
  const driver = fileDriver({ folder, clock: systemClock });
  onTestFinished(() => driver.close());
  return { folder, driver };
}

const numberOf = (etag: string): number => Number.parseInt(etag.slice(1), 10);

test("four processes that add 50 lines each to one object lose none", { timeout: 60_000 }, async () => {
  const { folder, driver } = openStore();
  const names = ["one", "two", "three", "four"];
  const ended = await Promise.all(
    names.map((name) => runScript(program("file-add"), { args: [folder, name, "50"], timeout: 50_000 })),
  );
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(names.map(() => ({ code: 0, stderr: "" })));
  const lines = (await peek(driver, "dir/lines"))!.trimEnd().split("\n");
  const wanted = names.flatMap((name) => Array.from({ length: 50 }, (_, index) => `${name} ${index}`));
  expect(lines.toSorted()).toEqual(wanted.toSorted());
  for (const name of names) {
    const own = lines.filter((line) => line.startsWith(`${name} `));
    expect(own).toEqual(wanted.filter((line) => line.startsWith(`${name} `)));
  }
});

const isStopped = (pid: number): boolean => /\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));

/** How many versions others make while the writer is stopped: its number is taken; taken and removed; or too long ago to tell. */
const delayed: [moment: string, request: string, versions: number, answer: string][] = [
  ["before", "match", 0, "done"],
  ["before", "match", 3, "lost"],
  ["before", "match", 12, "lost"],
  ["before", "match", 30, "maybe"],
  ["before", "remove", 12, "lost"],
  ["before", "remove", 30, "maybe"],
  ["before", "absent", 12, "lost"],
  ["before", "absent", 30, "lost"],
  ["before", "put", 3, "done"],
  ["before", "put", 12, "done"],
  ["before", "put", 30, "maybe"],
  ["before", "write", 12, "done"],
  ["after", "match", 0, "done"],
  ["after", "match", 3, "done"],
  ["after", "match", 12, "done"],
  ["after", "match", 30, "maybe"],
  ["after", "remove", 12, "done"],
];

test.for(delayed)(
  "a writer that is stopped %s its link (%s), while others make %i versions, answers %s and harms nothing newer",
  { timeout: 60_000 },
  async ([moment, request, versions, answer]) => {
    const { folder, driver } = openStore();
    const etag = await create(driver, "a", "first");
    if (request === "absent") await driver.remove("a");
    const writer = startScript(program("file-stop"), {
      args: [folder, `${moment} link`, request, etag],
      timeout: 50_000,
    });
    await until("the writer to be stopped", () => isStopped(writer.pid));
    let last = "";
    for (let version = 0; version < versions; version++) last = await create(driver, "a", `version ${version}`);
    writer.kill("SIGCONT");
    const { stdout, code } = await writer.finished;
    expect([stdout.trim(), code]).toEqual([`answer: ${answer}`, 0]);
    // What it linked in vain is gone again: the numbers have no gap.
    const [life] = readdirSync(join(folder, "a", "@"));
    const numbers = readdirSync(join(folder, "a", "@", life!))
      .map(Number)
      .toSorted((left, right) => left - right);
    expect(answer === "maybe" || numbers.every((each, index) => each === numbers[0]! + index)).toBe(true);
    const isHis = moment === "before" ? answer === "done" : versions === 0;
    const { etag: now, body } = (await driver.get("a")) as StoredObject;
    expect([now === last, Buffer.from(body).toString() === "of the stopped one"]).toEqual([!isHis, isHis]);
    // The next ones go on from there.
    const next = await create(driver, "a", "next");
    expect(await driver.put("a", bytes("lost"), { condition: { ifMatch: last || etag } })).toBe("lost");
    expect((await found(driver, "a")).etag).toBe(next);
  },
);

/** Where it is stopped, what others do meanwhile, what it answers then, and what is there. */
const overtaken: [stop: string, request: string, meanwhile: string, answer: string, there: string | undefined][] = [
  // Its folder has gone, and another one is there, in which its number is free.
  ["before link", "match", "remove", "lost", undefined],
  ["before link", "match", "remove create", "lost", "create 1"],
  ["before link", "match", "remove create sweep", "lost", "create 1"],
  ["before link", "match", "create create remove create create", "lost", "create 4"],
  ["before link", "remove", "remove create", "lost", "create 1"],
  ["before link", "put", "remove", "done", "his"],
  ["before link", "put", "remove create", "done", "his"],
  ["before link", "write", "remove create create remove", "done", "his"],
  // It was done, and what was removed tells it, as long as it is there.
  ["after link", "match", "remove", "done", undefined],
  ["after link", "match", "create create remove create", "done", "create 3"],
  ["after link", "match", "remove sweep", "maybe", undefined],
  ["after link", "match", "remove create sweep", "maybe", "create 1"],
  // A removal that others finish.
  ["after link", "remove", "create", "done", "create 1"],
  ["after link", "remove", "create create remove create", "done", "create 3"],
  ["before rename", "remove", "create create", "done", "create 2"],
  ["before rename", "remove", "create remove", "done", undefined],
  ["before rename", "remove", "create remove create", "done", "create 2"],
  ["before rmdir", "remove", "create", "done", "create 1"],
  ["before rmdir", "remove", "create remove create", "done", "create 2"],
  // A creation, as the first one or after a removal.
  ["before rename", "absent", "create", "lost", "create 1"],
  ["before rename", "absent", "create remove", "done", "his"],
  ["before rename", "absent", "create remove sweep", "done", "his"],
  ["before rename", "absent", "create remove create", "lost", "create 2"],
  ["after rename", "absent", "create create", "done", "create 2"],
  ["after rename", "absent", "remove", "done", undefined],
  ["after rename", "absent", "remove create sweep", "done", "create 1"],
];

test.for(overtaken)(
  "a process that is stopped %s (%s), while others %s, answers %s and leaves %s",
  { timeout: 60_000 },
  async ([stop, request, meanwhile, answer, there]) => {
    const { folder, driver } = openStore();
    const etags = new Set([await create(driver, "a", "first")]);
    const [first] = etags;
    if (request === "absent") await driver.remove("a");
    const stopped = startScript(program("file-stop"), { args: [folder, stop, request, first!], timeout: 50_000 });
    await until("it to be stopped", () => isStopped(stopped.pid));
    let made = 0;
    const acts: Readonly<Record<string, () => Promise<unknown>>> = {
      create: async () => etags.add(await create(driver, "a", `create ${++made}`)),
      remove: () => driver.remove("a"),
      // What a minute does, and another write.
      sweep: async () => {
        for (const name of readdirSync(join(folder, ".tmp")))
          if (name.endsWith(".gone")) rmSync(join(folder, ".tmp", name), { recursive: true });
      },
    };
    for (const act of meanwhile.split(" ")) await acts[act]!();
    stopped.kill("SIGCONT");
    const { stdout, code } = await stopped.finished;
    expect([stdout.trim(), code]).toEqual([`answer: ${answer}`, 0]);
    expect(await peek(driver, "a")).toBe(there === "his" ? "of the stopped one" : there);
    expect(etags.size).toBe(1 + made);
    // Whatever happened, it goes on from there.
    const before = await driver.get("a");
    const condition = typeof before === "object" ? { ifMatch: before.etag } : "absent";
    expect(await driver.put("a", bytes("next"), { condition })).not.toBe("lost");
    expect([await driver.remove("a"), await driver.get("a"), readdirSync(folder)]).toEqual([
      "done",
      undefined,
      [".tmp"],
    ]);
  },
);

test("what a process leaves that is killed in the middle of a removal, the next one clears away", async () => {
  for (const [stop, next] of [
    ["after link", "create"],
    ["after link", "remove"],
    ["before rmdir", "create"],
  ] as const) {
    const { folder, driver } = openStore();
    const etag = await create(driver, "a", "first");
    const stopped = startScript(program("file-stop"), { args: [folder, stop, "remove", etag], timeout: 50_000 });
    await until("it to be stopped", () => isStopped(stopped.pid));
    stopped.kill("SIGKILL");
    await stopped.finished;
    expect([await driver.get("a"), await driver.head("a"), await driver.read("a")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect((await driver.list("")).objects).toEqual([]);
    if (next === "create") await create(driver, "a", "second");
    await driver.remove("a");
    expect(readdirSync(folder)).toEqual([".tmp"]);
  }
});

test("of four processes that create, claim and remove the same key one does each", { timeout: 60_000 }, async () => {
  const { folder, driver } = openStore();
  const names = ["one", "two", "three", "four"];
  const ended = await Promise.all(
    names.map((name) => runScript(program("file-turns"), { args: [folder, name, "40"], timeout: 50_000 })),
  );
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(names.map(() => ({ code: 0, stderr: "" })));
  const lines = ended.flatMap(({ stdout }) => stdout.trim().split("\n"));
  const said = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const [made, claimed] = [said("made"), said("claimed")];
  // No etag came a second time, each version was claimed by one, and none was lost before anybody had claimed it.
  expect([made.length, new Set(made).size, new Set(claimed).size]).toEqual([160, 160, claimed.length]);
  expect(made.filter((etag) => !claimed.includes(etag))).toEqual([]);
  expect([await driver.get("dir/turns"), readdirSync(folder)]).toEqual([undefined, [".tmp"]]);
});

test(
  "processes killed at any moment, 30 of them, leave a whole object that can be written",
  { timeout: 120_000 },
  async () => {
    const { folder, driver } = openStore();
    for (let round = 0; round < 10; round++) {
      // Versions of one life have an order; in the others it is removed at times.
      const removes = round % 2 === 1;
      const writers = [1, 2, 3].map((byte) =>
        startScript(program("file-write"), { args: [folder, String(byte), String(removes)] }),
      );
      // They are wherever they are when the first of them has written that often.
      const enough = 3 + round * 4;
      await until("some writes", () => writers.some(({ stdout }) => stdout.split("\n").length > enough), { every: 1 });
      for (const writer of writers) writer.kill("SIGKILL");
      const ended = await Promise.all(writers.map(({ finished }) => finished));
      expect(ended.map(({ signal, stderr }) => [signal, stderr])).toEqual(writers.map(() => ["SIGKILL", ""]));

      const got = await driver.get("dir/a");
      const body = typeof got === "object" ? got.body : new Uint8Array();
      expect(Buffer.from(body).equals(new Uint8Array(body.length).fill(body[0] ?? 0))).toBe(true);
      // What was answered is there, or something later.
      const answered = ended.flatMap(({ stdout }) => stdout.split("\n").slice(0, -1).map(numberOf));
      const next = await create(driver, "dir/a", "next");
      expect(numberOf(next)).toBeGreaterThan(removes ? 0 : Math.max(...answered));
      expect(await peek(driver, "dir/a")).toBe("next");
      expect((await driver.list("")).objects.map(({ key }) => key)).toEqual(["dir/a"]);
    }
  },
);
