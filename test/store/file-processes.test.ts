import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { StoreDriver, StoredObject } from "../../src/ports/store.ts";
import { fileDriver } from "../../src/store/drivers/file.ts";
import { testRun } from "../harness/run.ts";
import { runScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { bytes, create, found, peek } from "./conformance/subject.ts";

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
const stopped: [moment: string, request: string, versions: number, answer: string][] = [
  ["before", "match", 0, "done"],
  ["before", "match", 3, "lost"],
  ["before", "match", 12, "lost"],
  ["before", "match", 30, "maybe"],
  ["before", "remove", 12, "lost"],
  ["before", "remove", 30, "maybe"],
  ["before", "absent", 12, "lost"],
  ["before", "absent", 30, "maybe"],
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

test.for(stopped)(
  "a writer that is stopped %s its link (%s), while others make %i versions, answers %s and harms nothing newer",
  { timeout: 60_000 },
  async ([moment, request, versions, answer]) => {
    const { folder, driver } = openStore();
    const etag = await create(driver, "a", "first");
    if (request === "absent") await driver.remove("a");
    const writer = startScript(program("file-stop"), { args: [folder, moment, request, etag], timeout: 50_000 });
    await until("the writer to be stopped", () => isStopped(writer.pid));
    let last = "";
    for (let version = 0; version < versions; version++) last = await create(driver, "a", `version ${version}`);
    writer.kill("SIGCONT");
    const { stdout, code } = await writer.finished;
    expect([stdout.trim(), code]).toEqual([`answer: ${answer}`, 0]);
    const isHis = moment === "before" ? answer === "done" : versions === 0;
    const { etag: now, body } = (await driver.get("a")) as StoredObject;
    expect([now === last, Buffer.from(body).toString() === "of the stopped one"]).toEqual([!isHis, isHis]);
    // The next ones go on from there.
    const next = await create(driver, "a", "next");
    expect(await driver.put("a", bytes("lost"), { condition: { ifMatch: last || etag } })).toBe("lost");
    expect((await found(driver, "a")).etag).toBe(next);
  },
);

test(
  "processes killed at any moment, 30 of them, leave a whole object that can be written",
  { timeout: 120_000 },
  async () => {
    const { folder, driver } = openStore();
    for (let round = 0; round < 10; round++) {
      const writers = [1, 2, 3].map((byte) => startScript(program("file-write"), { args: [folder, String(byte)] }));
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
      expect(numberOf(next)).toBeGreaterThan(Math.max(...answered));
      expect(await peek(driver, "dir/a")).toBe("next");
      expect((await driver.list("")).objects.map(({ key }) => key)).toEqual(["dir/a"]);
    }
  },
);
