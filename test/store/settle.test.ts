import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { StoreDataError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { blobOf, type StoreBlob } from "../../src/store/blob.ts";
import { guarded } from "../../src/store/probe.ts";
import { Requests } from "../../src/store/requests.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { type FaultKind } from "../harness/s3/faults.ts";
import { type S3Server, startS3 } from "../harness/s3/server.ts";
import { memory } from "./cells.ts";
import { driverOf, patterned, pieces } from "./s3-site.ts";
import { busy, forbidden, type Kind, noAnswer, scripted } from "./scripted.ts";

const handles = { blob: () => ({ type: "", data: 0 }) };
const body = (text: string): AsyncIterable<Uint8Array> => pieces(text.slice(0, 2), text.slice(2));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Act = () => Promise<unknown>;
type Step = (act: Act) => Promise<unknown>;

/** What becomes of a request. */
const undone: Step = () => Promise.reject(noAnswer());
const refused: Step = () => Promise.reject(busy());
const denied: Step = () => Promise.reject(forbidden());
const unanswered: Step = async (act) => {
  await act();
  throw noAnswer();
};
const repeated: Step = async (act) => {
  await act();
  return "lost";
};

/** A store in which each kind of request meets these in turn, and is done when there are no more. */
function world(steps: Partial<Record<Kind, Step[]>>) {
  const store = memory();
  const clock = new FakeClock();
  const asked: Kind[] = [];
  const driver = scripted(store, (kind, _key, act) => {
    asked.push(kind);
    const step = steps[kind]?.shift();
    return step ? step(act) : act();
  });
  const requests = new Requests({ driver, clock, random: () => 1 });
  const blob = blobOf(requests, "blob", handles);
  /** Time goes on as long as it is not over. Gives how it ended, and how many seconds that took. */
  const ended = async (work: Promise<unknown>) => {
    const from = clock.now();
    let over = false;
    const outcome = work.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    void outcome.then(() => (over = true));
    for (let turns = 0; !over; turns++) {
      if (turns > 100_000) throw new Error("it does not end");
      await turn();
      clock.advance(5);
    }
    return { ...(await outcome), seconds: (clock.now() - from) / 1_000 };
  };
  return { store, blob, requests, asked, clock, ended };
}

const always = (step: Step): Step[] => Array.from({ length: 1_000 }, () => step);
const text = async (store: StoreDriver): Promise<string | undefined> => {
  const found = await store.get("blob");
  return typeof found === "object" ? Buffer.from(found.body).toString() : undefined;
};
const sources: [what: string, make: () => string | AsyncIterable<Uint8Array>][] = [
  ["a string", () => "mine"],
  ["a stream", () => body("mine")],
];

describe.each(sources)("a conditional write of %s", (what, make) => {
  const again = what === "a string";

  test.each([
    ["unanswered", unanswered],
    ["refused by its own repetition", repeated],
  ])("that was done, but %s, is found to be done, and not done twice", async (_how, step) => {
    for (const conditional of [true, false]) {
      const { store, blob, asked, ended } = world({ write: [step] });
      if (!conditional && step === repeated) continue;
      const { value } = (await ended(blob.write(make(), { ifAbsent: conditional }))) as { value: { etag: string } };
      expect(value).toEqual({ etag: (await store.head("blob"))!.etag, size: 4 });
      expect([await text(store), asked]).toEqual(["mine", ["write", "head"]]);
    }
  });

  test("that was not done is done again if it can be, and else may yet be done", async () => {
    const { store, blob, asked, ended } = world({ write: [undone] });
    const outcome = await ended(blob.write(make(), { ifAbsent: true }));
    expect(outcome).toMatchObject(again ? { value: { size: 4 } } : { error: { maybe: true, transient: true } });
    expect(asked).toEqual(["write", "head", ...(again ? ["write"] : [])]);
    expect(await text(store)).toBe(again ? "mine" : undefined);
  });

  test("that others have overtaken before anybody could look is told as unknown", async () => {
    for (const step of [undone, unanswered]) {
      const { store, blob, ended } = world({
        write: [step],
        head: [
          async (act) => {
            await store.put("blob", Buffer.from("theirs"));
            return act();
          },
        ],
      });
      const { error } = (await ended(blob.write(make(), { ifAbsent: true }))) as { error: Error };
      expect(error).toMatchObject({
        code: "ERR_TINDERBOX_STORE_CONFLICT",
        reason: "unknown",
        maybe: true,
        key: "blob",
      });
      expect(error.message).toBe(
        'Cannot tell whether blob "blob" of memory: was written: the answer was lost, and others have changed it since; read it before you try again',
      );
      expect(await text(store)).toBe("theirs");
    }
  });

  test("over a version that others have changed before anybody could look is unknown, after one look", async () => {
    const { store, blob, asked, ended } = world({
      write: [undone],
      head: [
        async (act) => {
          await store.put("blob", Buffer.from("theirs"));
          return act();
        },
      ],
    });
    const { etag } = (await store.put("blob", Buffer.from("old"))) as { etag: string };
    const { error } = (await ended(blob.write(make(), { ifMatch: etag }))) as { error: Error };
    expect(error).toMatchObject({ reason: "unknown", maybe: true });
    expect([asked, await text(store)]).toEqual([["write", "head"], "theirs"]);
  });

  test("that others came before is refused, after one look", async () => {
    const { store, blob, asked, requests, ended } = world({});
    await store.put("blob", Buffer.from("theirs"));
    const { error } = (await ended(blob.write(make(), { ifAbsent: true }))) as { error: Error };
    expect(error).toMatchObject({ reason: "changed", maybe: false });
    expect([asked, requests.counts.lost]).toEqual([["write", "head"], 1]);
  });

  test("that is refused is refused also when nobody can look", async () => {
    const { store, blob, ended } = world({ head: always(refused) });
    await store.put("blob", Buffer.from("theirs"));
    const { error, seconds } = (await ended(blob.write(make(), { ifAbsent: true }))) as never;
    expect(error).toMatchObject({ reason: "changed", maybe: false });
    expect(seconds).toBeLessThan(31);
  });

  test("of which nothing can be seen any more may have been done, and that is known in 30 seconds", async () => {
    const { blob, ended, asked } = world({ write: [unanswered], head: always(refused) });
    const { error, seconds } = (await ended(blob.write(make(), { ifAbsent: true }))) as never;
    expect(error).toMatchObject({ name: "StoreError", maybe: true });
    expect(seconds).toBeLessThan(31);
    expect(asked.length).toBeLessThan(40);
  });
});

describe("a write without a condition", () => {
  test("is done again when its answer was lost, also by who may not look", async () => {
    for (const step of [denied, refused]) {
      const { store, blob, asked, ended } = world({ write: [undone], head: always(step) });
      expect(await ended(blob.write("mine"))).toMatchObject({ value: { size: 4 } });
      expect([asked, await text(store)]).toEqual([["write", "head", "write"], "mine"]);
    }
  });

  test("of a stream may have been done when nobody may look", async () => {
    const { blob, ended } = world({ write: [unanswered], head: always(denied) });
    expect(await ended(blob.write(body("mine")))).toMatchObject({ error: { maybe: true, transient: true } });
  });

  test("is done again over what others have written meanwhile", async () => {
    const { store, blob, ended } = world({
      write: [
        async (act) => {
          await act();
          await store.put("blob", Buffer.from("theirs"));
          throw noAnswer();
        },
      ],
    });
    expect(await ended(blob.write("mine"))).toMatchObject({ value: { size: 4 } });
    expect(await text(store)).toBe("mine");
  });
});

describe("a conditional write", () => {
  test("whose place is damaged afterwards is unknown", async () => {
    const { blob, ended } = world({
      write: [undone],
      head: [() => Promise.reject(new StoreDataError("Cannot read: it is damaged", {}))],
    });
    const { error } = (await ended(blob.write("mine", { ifAbsent: true }))) as never;
    expect(error).toMatchObject({ reason: "unknown", maybe: true });
  });

  test("that comes late is known again by its second try", async () => {
    let late: Act | undefined;
    const delayed = world({
      write: [
        async (act) => {
          late = act;
          throw noAnswer();
        },
        async (act) => {
          await late!();
          return act();
        },
      ],
    });
    const { value } = (await delayed.ended(delayed.blob.write("mine", { ifAbsent: true }))) as never;
    expect(value).toEqual({ etag: (await delayed.store.head("blob"))!.etag, size: 4 });
    expect(delayed.asked).toEqual(["write", "head", "write", "head"]);
  });

  test("that was done and removed before its second try is unknown", async () => {
    let late: Act | undefined;
    const { store, blob, ended } = world({
      write: [
        async (act) => {
          late = act;
          throw noAnswer();
        },
        async () => {
          await late!();
          await store.remove("blob");
          return "lost";
        },
      ],
    });
    const { error } = (await ended(blob.write("mine", { ifAbsent: true }))) as never;
    expect(error).toMatchObject({ reason: "unknown", maybe: true });
  });

  test.each([
    ["busy for ever", refused],
    ["not answering for ever", undone],
  ])("whose first try is in doubt, of a store that is %s then, may have been done", async (_what, step) => {
    const { blob, ended, asked } = world({ write: [undone, ...always(step)] });
    const { error, seconds } = (await ended(blob.write("mine", { ifAbsent: true }))) as never;
    expect(error).toMatchObject({ maybe: true, transient: true });
    expect(seconds).toBeLessThan(31);
    expect(asked.length).toBeLessThan(80);
  });

  test("whose first try is in doubt, and whose second is forbidden, may have been done", async () => {
    const { blob, ended } = world({ write: [undone, denied] });
    expect(await ended(blob.write("mine", { ifAbsent: true }))).toMatchObject({ error: { maybe: true } });
  });

  test("of a store that was only busy was not done, and says so", async () => {
    const { blob, ended } = world({ write: always(refused) });
    expect(await ended(blob.write("mine", { ifAbsent: true }))).toMatchObject({
      error: { maybe: false, transient: true },
    });
  });

  test.each([
    ["a doubt", undone, true],
    ["none", refused, undefined],
  ])("that is given up in a pause after %s says so", async (_doubt, step, maybe) => {
    const caller = new AbortController();
    const cause = new Error("enough");
    const { blob, clock, asked } = world({ write: [step] });
    const write = blob.write("mine", { ifAbsent: true, signal: caller.signal }).catch((error: unknown) => error);
    while (clock.pending() === 0) await turn();
    expect(asked[0]).toBe("write");
    caller.abort(cause);
    const error = (await write) as { maybe?: boolean };
    expect(error).toMatchObject({ code: "ABORT_ERR", cause });
    expect(error.maybe).toBe(maybe);
    expect(clock.pending()).toBe(0);
  });

  test("that is given up while it is looked for says that it may have been done", async () => {
    const caller = new AbortController();
    const { blob, ended } = world({
      write: [unanswered],
      head: [
        async () => {
          caller.abort(new Error("enough"));
          throw busy();
        },
      ],
    });
    const { error } = (await ended(blob.write("mine", { ifAbsent: true, signal: caller.signal }))) as never;
    expect(error).toMatchObject({ code: "ABORT_ERR", maybe: true });
  });
});

describe("a conditional removal", () => {
  const prepared = async (steps: Partial<Record<Kind, Step[]>>) => {
    const all = world(steps);
    const { etag } = (await all.store.put("blob", Buffer.from("old"))) as { etag: string };
    return { ...all, remove: () => all.ended(all.blob.delete({ ifMatch: etag })) };
  };

  test.each([
    ["unanswered", unanswered],
    ["refused by its own repetition", repeated],
  ])("that was done, but %s, is found to be done", async (_how, step) => {
    const { remove, asked } = await prepared({ remove: [step] });
    expect(await remove()).toMatchObject({ value: undefined });
    expect(asked).toEqual(["remove", "head"]);
  });

  test.each([
    ["in doubt", undone, ["remove", "head", "remove"]],
    ["busy", refused, ["remove", "remove"]],
  ])("that was not done, for the store was %s, is done again", async (_how, step, wanted) => {
    const { remove, asked, store, requests } = await prepared({ remove: [step] });
    expect(await remove()).toMatchObject({ value: undefined });
    expect([asked, await text(store), requests.counts.retried]).toEqual([wanted, undefined, 1]);
  });

  test("after which others have written is unknown when its answer was lost, and refused when it was not", async () => {
    const theirs: Step = async (act) => {
      await act();
      await both.store.put("blob", Buffer.from("theirs"));
      throw noAnswer();
    };
    const both = await prepared({ remove: [theirs] });
    expect(await both.remove()).toMatchObject({
      error: {
        reason: "unknown",
        maybe: true,
        message: expect.stringContaining('Cannot tell whether blob "blob" of memory: was deleted') as string,
      },
    });
    expect(both.asked).toEqual(["remove", "head"]);
    const plain = await prepared({});
    await plain.store.put("blob", Buffer.from("theirs"));
    expect(await plain.remove()).toMatchObject({ error: { reason: "changed", maybe: false } });
    expect(await text(plain.store)).toBe("theirs");
  });
});

describe("on S3", () => {
  let server: S3Server;
  let driver: StoreDriver;
  let blob: StoreBlob;
  let before: ReadonlyMap<string, number>;
  beforeAll(async () => {
    before = activeResources();
    server = await startS3();
    driver = guarded(driverOf(server, { requestTimeoutMs: 1_000 }));
    blob = blobOf(new Requests({ driver, clock: systemClock }), "blob", handles);
    // The trial of the server is over.
    await blob.write("first", { ifAbsent: true });
  });
  beforeEach(async () => {
    server.faults.clear();
    await blob.delete();
    server.requests.clear();
  });
  afterAll(async () => {
    await driver.close();
    await server.dispose();
    await expectNoResourceLeft(before);
  });

  const kinds: FaultKind[] = ["lostReply", "unavailableAfter", "internalAfter", "conditionAfterSuccess"];
  const bodies: [
    what: string,
    operation: "PutObject" | "CompleteMultipartUpload",
    make: () => string | AsyncIterable<Uint8Array>,
    size: number,
  ][] = [
    ["a string", "PutObject", () => "mine", 4],
    ["a stream", "PutObject", () => pieces("mi", "ne"), 4],
    ["many parts", "CompleteMultipartUpload", () => patterned(9 * 2 ** 20), 9 * 2 ** 20],
  ];

  test.each(kinds.flatMap((kind) => bodies.map((each) => [kind, ...each] as const)))(
    "%s after a write of %s by %s is found to be no failure",
    async (kind, _what, operation, make, size) => {
      for (const options of [{ ifAbsent: true }, "match", {}] as const) {
        const isConditional = options === "match" || "ifAbsent" in options;
        if (kind === "conditionAfterSuccess" && !isConditional) continue;
        await blob.delete();
        const condition = options === "match" ? { ifMatch: (await blob.write("old")).etag } : options;
        server.requests.clear();
        const fault = server.faults.add({ kind, operation, key: "blob" } as never);
        const { etag } = await blob.write(make(), condition);
        expect([fault.struck, server.requests.count(operation), (await blob.info())?.etag]).toEqual([1, 1, etag]);
        expect((await blob.info())?.size).toBe(size);
      }
      expect(server.parts()).toEqual([]);
    },
  );

  test("a write that arrives long after it was given up changes nothing", async () => {
    const hang = server.faults.add({ kind: "hang", operation: "PutObject", key: "blob" });
    const written = await blob.write("mine", { ifAbsent: true });
    expect(server.requests.count("PutObject")).toBe(2);
    const next = await blob.write("next", { ifMatch: written.etag });
    hang.release();
    // Its own turn comes after this one at the latest.
    await blob.info();
    expect([await blob.text(), (await blob.info())?.etag]).toEqual(["next", next.etag]);
  });

  test.each(["lostReply", "unavailableAfter", "conditionAfterSuccess"] as const)(
    "%s after a removal is found to be no failure",
    async (kind) => {
      const { etag } = await blob.write("old");
      server.faults.add({ kind, operation: "DeleteObject", key: "blob" });
      await blob.delete({ ifMatch: etag });
      expect([await blob.exists(), server.requests.count("DeleteObject")]).toEqual([false, 1]);
    },
  );
});
