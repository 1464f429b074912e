import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Requests } from "../../src/store/requests.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { memory } from "./cells.ts";
import { busy, noAnswer, scripted } from "./scripted.ts";

/** `fails` is what the first removal meets; how often it was tried is counted. */
function removing(fails: () => Error) {
  let tries = 0;
  const driver = scripted(memory(), (kind, _key, act) => {
    if (kind === "remove" && ++tries === 1) return Promise.reject(fails());
    return act();
  });
  return { requests: new Requests({ driver, clock: systemClock, random: () => 0 }), tries: () => tries };
}

test("a removal is tried again after a moment", async () => {
  const { requests, tries } = removing(noAnswer);
  await requests.put("a", Buffer.from("x"));
  expect(await requests.remove("a")).toBe("done");
  expect([tries(), requests.counts.retried]).toEqual([2, 1]);
});

test("one with a condition is made once", async () => {
  const { requests, tries } = removing(busy);
  const { etag } = (await requests.put("a", Buffer.from("x"))) as { etag: string };
  await expect(requests.remove("a", { ifMatch: etag })).rejects.toMatchObject({ transient: true });
  expect([tries(), requests.counts.retried]).toEqual([1, 0]);
});

test("what was asked is counted by the driver, and what became of it here", async () => {
  const { requests } = removing(noAnswer);
  await requests.put("a", Buffer.from("x"));
  expect(await requests.put("a", Buffer.from("y"), { condition: "absent" })).toBe("lost");
  expect(await requests.write("a", (async function* () {})(), { condition: "absent" })).toBe("lost");
  await requests.remove("a");
  await requests.list("");
  await requests.head("a");
  expect(requests.counts).toEqual({ read: 1, write: 4, list: 1, retried: 1, lost: 2 });
});

test("a pause holds the process, and leaves nothing when it is given up", async () => {
  const clock = new FakeClock();
  const requests = new Requests({ driver: memory(), clock });
  const abort = new AbortController();
  const paused = requests.pause(1_000, abort.signal);
  const held = clock.pending({ held: true });
  abort.abort(new Error("enough"));
  await expect(paused).rejects.toThrow("enough");
  await expect(requests.pause(1_000, abort.signal)).rejects.toThrow("enough");
  expect([held, clock.pending(), getEventListeners(abort.signal, "abort")]).toEqual([1, 0, []]);
});
