/** What two sides of a call say to each other, in orders that a network makes now and then. */
import { expect, test } from "vitest";
import type { RemoteGenerator } from "../../src/live/stream.ts";
import { windowBytes } from "../../src/live/window.ts";
import { turn } from "./gather.ts";
import { twoScopes } from "./two-scopes.ts";

type Fn = ((n: number) => Promise<number>) & Disposable;

test("a function that is given again while its release is on its way stays alive", async () => {
  const { left, right, settle, deliver } = twoScopes();
  const fn = async (n: number): Promise<number> => n + 1;
  void left.give(fn);
  await settle();
  const [first] = right.inbox.splice(0) as [Fn];
  first[Symbol.dispose]();
  void left.give(fn);
  // The second mention leaves before the release arrives, and arrives after it has left.
  await deliver(right, 1);
  await settle();
  const [second] = right.inbox as [Fn];
  const answer = second(1);
  await settle();
  expect(await answer).toBe(2);
  second[Symbol.dispose]();
  await settle();
  expect([left.scope.lent, right.scope.borrowed]).toEqual([1, 1]);
});

test("what comes in items that nobody takes any more is let go of", async () => {
  const { left, right, settle, deliver } = twoScopes();
  const numbers = (async function* () {
    for (let n = 0; n < 10; n++) yield { fn: async () => n };
  })();
  void left.give(numbers);
  await settle();
  const [remote] = right.inbox as [RemoteGenerator];
  const failed = remote.next().catch((error: unknown) => error);
  await deliver(left, Infinity);
  await turn();
  expect(right.coming.length).toBe(11);
  right.scope.fail(2, new Error("too late"));
  await settle();
  expect(await failed).toMatchObject({ message: "too late" });
  expect([left.scope.lent, right.scope.borrowed]).toEqual([1, 1]);
});

test("a reader has a window, and one item more at most", async () => {
  const { left, right, settle } = twoScopes();
  let made = 0;
  const size = 100_000;
  void left.give(
    (async function* () {
      for (; made < 1000; made++) yield new Uint8Array(size);
    })(),
  );
  await settle();
  const [remote] = right.inbox as [RemoteGenerator];
  expect(made).toBe(0);
  await read(remote);
  const ahead = Math.ceil(windowBytes / size);
  expect(made).toBeGreaterThanOrEqual(ahead - 1);
  expect(made).toBeLessThanOrEqual(ahead + 1);
  for (let n = 1; n < 50; n++) {
    await read(remote);
    expect(made - n).toBeLessThanOrEqual(ahead + 2);
  }
  expect(made).toBeGreaterThan(50);

  async function read(from: RemoteGenerator): Promise<void> {
    const step = from.next();
    await settle();
    expect((await step).done).toBe(false);
  }
});

test("many small items are read in a time that is linear in their number", async () => {
  const { left, right, settle } = twoScopes();
  const count = 20_000;
  void left.give(
    (async function* () {
      for (let n = 0; n < count; n++) yield n;
    })(),
  );
  await settle();
  const [remote] = right.inbox as [RemoteGenerator];
  const seen: unknown[] = [];
  while (seen.length < count) {
    const steps = Array.from({ length: 5000 }, () => remote.next());
    await settle();
    for (const { value } of await Promise.all(steps)) seen.push(value);
  }
  expect(seen).toEqual([...Array(count).keys()]);
});
