import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Gate } from "../../src/store/drivers/s3-gate.ts";
import { s3Driver } from "../../src/store/drivers/s3.ts";
import { startS3 } from "../harness/s3/server.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("so many are inside at a time, and the others follow in their order", async () => {
  const gate = new Gate(2);
  const inside: number[] = [];
  const leave: (() => void)[] = [];
  const all = [1, 2, 3, 4].map(async (each) => {
    leave[each] = await gate.enter([]);
    inside.push(each);
  });
  await turn();
  expect(inside).toEqual([1, 2]);
  leave[2]!();
  // Twice is once.
  leave[2]!();
  await turn();
  expect(inside).toEqual([1, 2, 3]);
  leave[1]!();
  await Promise.all(all);
  expect(inside).toEqual([1, 2, 3, 4]);
});

test("who gives up is left out, and takes nobody's place along", async () => {
  const gate = new Gate(1);
  const leave = await gate.enter([]);
  const abort = new AbortController();
  const [tired, next, last] = [gate.enter([abort.signal]), gate.enter([]), gate.enter([abort.signal])];
  const gone = Promise.allSettled([tired, last]);
  abort.abort(new Error("enough"));
  expect((await gone).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  leave();
  (await next)();
  const again = await gate.enter([]);
  // In one moment its turn has come and it has given up.
  const late = new AbortController();
  const [both, after] = [gate.enter([late.signal]), gate.enter([])];
  again();
  late.abort(new Error("late"));
  await both.then(
    (free) => free(),
    () => {},
  );
  expect(typeof (await after)).toBe("function");
});

test("a thousand requests of one moment end well, though one after the other takes longer than any may", async () => {
  await using s3 = await startS3({ latencyMs: { write: 250 } });
  const { endpoint, region, credentials } = s3;
  const bucket = s3.buckets.names()[0]!;
  const driver = s3Driver({ bucket, endpoint, region, credentials, clock: systemClock, requestTimeoutMs: 1_500 });
  const body = Buffer.from("x");
  const puts = Array.from({ length: 1_000 }, (_, index) => driver.put(`key-${index}`, body, { condition: "absent" }));
  const results = await Promise.allSettled(puts);
  expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
  expect(s3.buckets.keys(bucket)).toHaveLength(1_000);
  await driver.close();
});

test("what waits for its turn when the driver is closed, or its caller gives up, was surely not sent", async () => {
  await using s3 = await startS3();
  const { endpoint, region, credentials } = s3;
  const bucket = s3.buckets.names()[0]!;
  const driver = s3Driver({ bucket, endpoint, region, credentials, clock: systemClock });
  const hang = s3.faults.add({ kind: "hang", operation: "PutObject", times: Infinity });
  const inside = Array.from({ length: 128 }, (_, index) => driver.put(`key-${index}`, Buffer.from("x")));
  const ended = Promise.allSettled(inside);
  await hang.strikes(128);
  const abort = new AbortController();
  const [tired, waits] = [
    driver.put("tired", Buffer.from("x"), { signal: abort.signal }),
    driver.put("waits", Buffer.from("x")),
  ].map((each) => each.catch((error: unknown) => error));
  abort.abort(new Error("enough"));
  expect(await tired).not.toMatchObject({ maybe: true });
  await driver.close();
  expect(await waits).toMatchObject({ name: "StoreError", maybe: false });
  await ended;
  hang.release();
});
