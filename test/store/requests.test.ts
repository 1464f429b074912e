import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Requests } from "../../src/store/requests.ts";
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

test("one with a condition is tried again when it was surely not done, and only then", async () => {
  const undone = removing(busy);
  const { etag } = (await undone.requests.put("a", Buffer.from("x"))) as { etag: string };
  expect(await undone.requests.remove("a", { ifMatch: etag })).toBe("done");
  expect(undone.tries()).toBe(2);
  const doubtful = removing(noAnswer);
  await doubtful.requests.put("a", Buffer.from("x"));
  await expect(doubtful.requests.remove("a", { ifMatch: etag })).rejects.toMatchObject({ maybe: true });
  expect(doubtful.tries()).toBe(1);
});
