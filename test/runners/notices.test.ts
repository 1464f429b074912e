import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { watchNotices } from "../../runners/notices.ts";
import { until } from "../harness/until.ts";

function lab() {
  const folder = mkdtempSync(join(tmpdir(), "notices-"));
  const file = join(folder, "notices");
  const told: [string, number][] = [];
  const start = (): void => {
    const watch = watchNotices(file, (kind, at) => void told.push([kind, at]));
    onTestFinished(() => watch.stop());
  };
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return { file, told, start };
}

/** The time in which a look has surely happened, proven by one that sees something. */
async function looked({ file, told }: ReturnType<typeof lab>, name: string): Promise<void> {
  appendFileSync(file, `${name} 9\n`);
  await until("another look", () => told.some(([kind]) => kind === name), { within: 5_000 });
}

test("what is there at first is told at once, in milliseconds, and each kind once", async () => {
  const all = lab();
  const { file, told, start } = all;
  writeFileSync(file, "spot 1767225600\nspot 1767225700\nrebalance 12.5\n");
  start();
  expect(told).toEqual([
    ["spot", 1_767_225_600_000],
    ["rebalance", 12_500],
  ]);
  appendFileSync(file, "spot 1767225800\n");
  await looked(all, "probe");
  expect(told).toHaveLength(3);
});

test("a file that is not there yet is waited for, and one that goes away is no matter", async () => {
  const all = lab();
  const { file, told, start } = all;
  start();
  expect(told).toEqual([]);
  await looked(all, "first");
  rmSync(file);
  await looked(all, "second");
  expect(told.map(([kind]) => kind)).toEqual(["first", "second"]);
});

test("what makes no sense is not told, nor a line that is not whole yet", async () => {
  const all = lab();
  const { file, told, start } = all;
  writeFileSync(file, "\nspot\nspot x\nspot 0\nspot -5\n  \nwhole 7\nspot 17672");
  start();
  expect(told).toEqual([["whole", 7_000]]);
  appendFileSync(file, "25600\n");
  await until("the rest of the line", () => told.length === 2, { within: 5_000 });
  expect(told.at(-1)).toEqual(["spot", 1_767_225_600_000]);
});

test("without a file there is nothing to watch; one that is stopped tells nothing more", async () => {
  watchNotices(null, () => expect.unreachable()).stop();
  const all = lab();
  const { file, told } = all;
  const watch = watchNotices(file, (kind, at) => void told.push([kind, at]));
  const { told: later, ...rest } = lab();
  watch.stop();
  const other = watchNotices(file, (kind, at) => void later.push([kind, at]));
  onTestFinished(() => other.stop());
  await looked({ ...rest, file, told: later }, "probe");
  expect(told).toEqual([]);
});
