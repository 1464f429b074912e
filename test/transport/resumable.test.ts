import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ackFrame, closeFrame, dataFrame, failFrame, finFrame } from "../../src/transport/resumable-frames.ts";
import { Retained } from "../../src/transport/resumable-queue.ts";
import { ResumableLab, type Side, otherSide, pattern, sides } from "./resumable-lab.ts";

type Step =
  | { readonly do: "write"; readonly side: Side; readonly bytes: number }
  | { readonly do: "move"; readonly side: Side; readonly bytes: number }
  | { readonly do: "cut" | "link" | "tick" };

const side = fc.constantFrom<Side>(...sides);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("write" as const), side, bytes: fc.integer({ min: 0, max: 600 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("move" as const), side, bytes: fc.integer({ min: 1, max: 400 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("cut" as const, "link" as const, "tick" as const) }) },
);

test("whatever is written and wherever links break, all arrives once and in order, and the ends are clean", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), side, async (steps, first) => {
      const lab = new ResumableLab();
      const written: Record<Side, number> = { dialler: 0, listener: 0 };
      lab.link();
      for (const now of steps) {
        if (now.do === "write") {
          lab.connections[now.side].write(pattern(written[now.side], now.bytes));
          written[now.side] += now.bytes;
        } else if (now.do === "move") lab.move(now.side, now.bytes);
        else if (now.do === "cut") lab.cut();
        else if (now.do === "link") lab.link();
        else lab.clock.advance(60);
      }
      lab.connections[first].end();
      if (!lab.halves) lab.link();
      await lab.settle();
      for (const from of sides) {
        const got = Buffer.concat(lab.ends[otherSide(from)].chunks);
        expect(got.length).toBe(written[from]);
        expect(got.equals(pattern(0, written[from]))).toBe(true);
        expect(lab.ends[from].closes).toEqual([undefined]);
        expect(lab.over[from]).toBe(1);
      }
      expect(lab.clock.pending()).toBe(0);
    }),
    { numRuns: 300 },
  );
});

describe.each(sides)("a link that breaks after any byte of the %s", (from) => {
  test("and of the answer to it loses nothing and repeats nothing", async () => {
    const run = async (cutAt: number): Promise<number> => {
      const lab = new ResumableLab();
      const to = otherSide(from);
      lab.link();
      let moved = 0;
      const move = (which: Side): number => {
        const bytes = lab.move(which, moved < cutAt ? cutAt - moved : Infinity);
        const before = moved;
        moved += bytes;
        if (before < cutAt && moved >= cutAt && lab.halves) {
          lab.cut();
          lab.link();
        }
        return bytes;
      };
      lab.connections[from].write(pattern(0, 40));
      lab.connections[from].write(pattern(40, 17));
      move(from);
      lab.connections[to].write(pattern(0, 23));
      move(to);
      lab.connections[from].write(pattern(57, 1_500));
      lab.connections[from].end();
      for (let round = 0; round < 100 && lab.over[from] + lab.over[to] < 2; round++) {
        const now = move(from) + move(to);
        await new Promise((resolve) => setImmediate(resolve));
        if (now === 0) lab.clock.advance(50);
      }
      const [there, back] = [to, from].map((end) => Buffer.concat(lab.ends[end].chunks));
      const fine =
        there!.equals(pattern(0, 1_557)) && back!.equals(pattern(0, 23)) && lab.over[from] === 1 && lab.over[to] === 1;
      const ends = [lab.ends[from].closes, lab.ends[to].closes];
      expect({ cutAt, fine, ends }).toEqual({ cutAt, fine: true, ends: [[undefined], [undefined]] });
      return moved;
    };
    const all = await run(Infinity);
    expect(all).toBeGreaterThan(1_557 + 23);
    // Every byte of the frames' beginnings and of the end; in the middle of a long piece one is like the other.
    const cuts = Array.from({ length: all }, (_, index) => index + 1).filter(
      (at) => at < 180 || at > all - 60 || at % 97 === 0,
    );
    for (const cutAt of cuts) await run(cutAt);
  });
});

describe("what is kept for the other side", () => {
  test("is bounded by what write says, and let go of as it is confirmed", async () => {
    const lab = new ResumableLab();
    lab.link();
    const { dialler } = lab.connections;
    const chunk = Buffer.alloc(65_536);
    lab.cut();
    expect(dialler.write(chunk)).toBe(false);
    lab.highWater = Infinity;
    lab.link();
    await lab.settle();
    expect(lab.ends.dialler.drains).toBe(1);
    // The link takes all of it here; nothing is confirmed.
    let kept = chunk.length;
    while (dialler.write(chunk) && kept < 64 * 2 ** 20) kept += chunk.length;
    expect(kept).toBe(4 * 2 ** 20);
    expect(lab.ends.dialler.drains).toBe(1);
    await lab.settle();
    expect([lab.ends.dialler.drains, dialler.write(chunk)]).toEqual([2, true]);
  });

  test("is the chunk itself, not a copy", () => {
    const queue = new Retained();
    const chunk = Buffer.from("abcdef");
    queue.push(chunk);
    expect(queue.take(100)).toBe(chunk);
    queue.confirm(2);
    queue.rewind();
    const piece = queue.take(100)!;
    expect([piece.buffer === chunk.buffer, piece.byteOffset - chunk.byteOffset, String(Buffer.from(piece))]).toEqual([
      true,
      2,
      "cdef",
    ]);
    queue.confirm(6);
    queue.rewind();
    expect([queue.take(1), queue.sent, queue.written]).toEqual([undefined, 6, 6]);
  });

  test("is what a plain list of bytes would be, however it is confirmed and sent again", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            act: fc.constantFrom("push", "take", "confirm", "rewind"),
            amount: fc.integer({ min: 1, max: 4_000 }),
          }),
          { maxLength: 60 },
        ),
        (acts) => {
          const queue = new Retained();
          let [written, sent, confirmed] = [0, 0, 0];
          for (const { act, amount } of acts) {
            if (act === "push") {
              // Many small ones: what is confirmed is cleared away in passing.
              for (let made = 0; made < amount; made += 1 + (made % 3)) {
                const length = 1 + (made % 3);
                queue.push(pattern(written, length));
                written += length;
              }
            } else if (act === "take") {
              for (let left = amount; left > 0;) {
                const piece = queue.take(left);
                if (!piece && sent < written) throw new Error(`nothing at ${sent} of ${written}`);
                if (!piece) break;
                if (!pattern(sent, piece.length).equals(piece)) throw new Error(`other bytes at ${sent}`);
                sent += piece.length;
                left -= piece.length;
              }
            } else if (act === "confirm") {
              confirmed = Math.min(sent, confirmed + amount);
              queue.confirm(confirmed);
            } else {
              queue.rewind();
              sent = confirmed;
            }
            expect([queue.written, queue.sent, queue.confirmed]).toEqual([written, sent, confirmed]);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("drain comes once the link is back and what waited has left", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.cut();
    expect(lab.connections.dialler.write(Buffer.from("later"))).toBe(false);
    await lab.settle();
    expect(lab.ends.dialler.drains).toBe(0);
    lab.link();
    await lab.settle();
    expect([lab.ends.dialler.drains, String(Buffer.concat(lab.ends.listener.chunks))]).toEqual([1, "later"]);
  });
});

test("what nobody listens for yet is bounded: the link is not read on, and goes on when somebody does", async () => {
  const lab = new ResumableLab({}, ["dialler"]);
  lab.link();
  const bytes = pattern(0, 3 * 2 ** 20);
  lab.connections.dialler.write(bytes);
  await lab.settle();
  expect(lab.halves!.listener.paused).toBe(true);
  expect(lab.connections.listener.received).toBeLessThan(2 * 2 ** 20);
  lab.ends.listener.attach();
  await lab.settle();
  expect(Buffer.concat(lab.ends.listener.chunks).equals(bytes)).toBe(true);
});

test("acks travel with data from 16 KiB on, and by themselves after 50 ms or 128 KiB", async () => {
  const lab = new ResumableLab();
  lab.link();
  const { dialler, listener } = lab.connections;
  dialler.write(Buffer.alloc(16 * 1024));
  lab.move("dialler");
  expect(lab.halves!.listener.pending).toBe(0);
  listener.write(Buffer.alloc(5));
  expect(lab.halves!.listener.pending).toBe(10 + 4 + 5);
  lab.move("listener");
  // So few are not worth an ack of their own yet.
  dialler.write(Buffer.alloc(5));
  expect(lab.halves!.dialler.pending).toBe(4 + 5);
  lab.move("dialler");
  lab.clock.advance(49);
  expect([lab.halves!.listener.pending, lab.halves!.dialler.pending]).toEqual([0, 0]);
  lab.clock.advance(1);
  expect([lab.halves!.listener.pending, lab.halves!.dialler.pending]).toEqual([10, 10]);
  lab.move("dialler");
  lab.move("listener");
  lab.connections.dialler.write(Buffer.alloc(128 * 1024));
  lab.move("dialler");
  expect(lab.halves!.listener.pending).toBe(10);
});

describe("a peer that is silent", () => {
  const quiet = async (lab: ResumableLab, ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      lab.clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  test("is asked after three seconds, and answers", async () => {
    const lab = new ResumableLab();
    lab.link();
    let asked = 0;
    for (let round = 0; round < 40; round++) {
      await quiet(lab, 500);
      asked += lab.halves!.dialler.pending > 0 ? 1 : 0;
      await lab.settle();
    }
    expect(asked).toBeGreaterThanOrEqual(3);
    expect([lab.wanted, lab.over]).toEqual([
      { dialler: 0, listener: 0 },
      { dialler: 0, listener: 0 },
    ]);
  });

  test("has two seconds for its answer to that", () => {
    const lab = new ResumableLab();
    lab.link();
    // The first tick has heard the new link itself.
    lab.clock.advance(4_000);
    expect(sides.map((which) => lab.halves![which].pending)).toEqual([4, 4]);
    lab.clock.advance(1_000);
    expect([lab.wanted.dialler, lab.connections.listener.linked]).toEqual([0, true]);
    lab.clock.advance(1_000);
    expect([lab.wanted.dialler, lab.connections.listener.linked]).toEqual([1, false]);
  });

  test("gets another link tried beside the old one by who dials, and is let go of by who listens", async () => {
    const lab = new ResumableLab();
    lab.link();
    await lab.settle();
    for (const which of sides) lab.connections[which].write(Buffer.from("?"));
    await quiet(lab, 4_000);
    expect(lab.wanted.dialler).toBeGreaterThan(0);
    expect([lab.connections.dialler.linked, lab.connections.listener.linked]).toEqual([true, false]);
  });

  test("that speaks again needs no other link", async () => {
    const lab = new ResumableLab({ silence: "redial" });
    lab.link();
    await lab.settle();
    lab.connections.dialler.write(Buffer.from("?"));
    await quiet(lab, 3_500);
    expect([lab.wanted.dialler > 0, lab.unwanted.dialler]).toEqual([true, 0]);
    lab.move("dialler");
    lab.clock.advance(50);
    lab.move("listener");
    await quiet(lab, 1_000);
    expect(lab.unwanted.dialler).toBe(1);
  });

  test("whose machine answers may be busy for thirty seconds, not longer", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.connections.dialler.write(Buffer.from("?"));
    lab.connections.dialler.present = true;
    await quiet(lab, 28_000);
    expect(lab.ends.dialler.closed).toBe(false);
    await quiet(lab, 3_000);
    expect(lab.ends.dialler.closes).toEqual([expect.objectContaining({ code: "ETIMEDOUT" })]);
  });

  test("may be busy for thirty seconds where this side cannot dial and is told to wait", async () => {
    const lab = new ResumableLab({ silence: "wait" });
    lab.link();
    lab.connections.listener.write(Buffer.from("?"));
    await quiet(lab, 28_000);
    expect([lab.ends.listener.closed, lab.connections.listener.linked]).toEqual([false, true]);
    await quiet(lab, 3_000);
    expect(lab.ends.listener.closed).toBe(true);
  });

  test("is not judged by time that this process was blocked in", async () => {
    const lab = new ResumableLab();
    lab.link();
    await lab.settle();
    for (const which of sides) lab.connections[which].write(Buffer.from("?"));
    // A timer that comes late fires once.
    lab.clock.advance(1_000);
    const late = lab.clock.nextAt;
    expect(late - lab.clock.now()).toBeLessThanOrEqual(1_000);
    await lab.settle();
    expect([lab.ends.dialler.closed, lab.connections.listener.linked]).toEqual([false, true]);
  });
});

test("a peer is not judged while nothing of it is read: who pauses has time", async () => {
  const lab = new ResumableLab();
  lab.link();
  for (const which of sides) {
    lab.connections[which].write(Buffer.from("?"));
    lab.connections[which].pause(true);
  }
  for (let passed = 0; passed < 60_000; passed += 1_000) lab.clock.advance(1_000);
  expect([lab.wanted, lab.connections.listener.linked]).toEqual([{ dialler: 0, listener: 0 }, true]);
  for (const which of sides) lab.connections[which].pause(false);
  await lab.settle();
  expect(sides.map((which) => lab.ends[which].received)).toEqual([1, 1]);
});

test("a new link begins with nothing to confirm: both sides have just told", () => {
  const lab = new ResumableLab();
  lab.link();
  lab.connections.dialler.write(Buffer.from("x"));
  lab.move("dialler");
  lab.link();
  lab.clock.advance(100);
  expect(lab.halves!.listener.pending).toBe(0);
});

describe("a window that passes", () => {
  test.each([1_000, 5_000])("of %i ms ends both sides with a code, and not before", async (windowMs) => {
    const lab = new ResumableLab({ windowMs });
    lab.link();
    lab.connections.dialler.write(Buffer.from("sent"));
    lab.connections.listener.write(Buffer.from("sent"));
    lab.cut();
    const tick = windowMs / 5;
    lab.clock.advance(windowMs - tick - 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sides.map((which) => lab.ends[which].closed)).toEqual([false, false]);
    lab.clock.advance(2 * tick + 1);
    await new Promise((resolve) => setImmediate(resolve));
    for (const which of sides) {
      const [error] = lab.ends[which].closes;
      expect(error).toMatchObject({ code: "ETIMEDOUT" });
      // It may have arrived.
      expect(error).not.toHaveProperty("unread");
      expect(lab.over[which]).toBe(1);
    }
    expect(lab.clock.pending()).toBe(0);
  });

  test("says that what never left is certainly unread", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.cut();
    lab.connections.dialler.write(Buffer.from("never sent"));
    lab.clock.advance(7_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lab.ends.dialler.closes).toEqual([expect.objectContaining({ code: "ETIMEDOUT", unread: true })]);
    expect(lab.ends.listener.closes[0]).not.toHaveProperty("unread");
  });
});

test("an error on one side is one on the other, which knows whether all was read", async () => {
  for (const from of sides) {
    for (const unread of [false, true]) {
      const lab = new ResumableLab();
      const to = otherSide(from);
      lab.link();
      lab.connections[to].write(Buffer.from("?"));
      if (!unread) await lab.settle();
      const fault = new Error("a fault");
      lab.connections[from].fail(fault);
      await lab.settle();
      expect(lab.ends[from].closes).toEqual([fault]);
      expect(lab.ends[to].closes).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
      expect((lab.ends[to].closes[0] as { unread?: boolean }).unread).toBe(unread ? true : undefined);
      expect(lab.over).toEqual({ dialler: 1, listener: 1 });
    }
  }
});

describe("destroy", () => {
  test("tells the other side what was not read", async () => {
    for (const from of sides) {
      const lab = new ResumableLab();
      const to = otherSide(from);
      lab.link();
      lab.connections[to].write(Buffer.from("on its way"));
      lab.connections[from].destroy();
      lab.move(from);
      await lab.settle();
      expect(lab.ends[from].closes).toEqual([undefined]);
      expect(lab.ends[to].closes).toEqual([expect.objectContaining({ code: "ECONNRESET", unread: true })]);
    }
  });

  test("is a clean end for who has nothing unread there", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.connections.listener.write(Buffer.from("read"));
    await lab.settle();
    lab.connections.dialler.destroy();
    await lab.settle();
    expect(lab.ends.listener.closes).toEqual([undefined]);
  });

  test("without a link is told over the next", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.cut();
    lab.connections.dialler.destroy();
    await lab.settle();
    expect([lab.ends.dialler.closes, lab.over.dialler]).toEqual([[undefined], 0]);
    lab.link();
    await lab.settle();
    expect([lab.ends.listener.closes, lab.over]).toEqual([[undefined], { dialler: 1, listener: 1 }]);
  });

  test("says what had been read by then, also over a later link", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.connections.listener.write(Buffer.from("read"));
    await lab.settle();
    lab.connections.dialler.destroy();
    lab.connections.listener.write(Buffer.from("unread"));
    lab.move("listener");
    lab.cut();
    lab.link();
    await lab.settle();
    expect(lab.ends.listener.closes).toEqual([expect.objectContaining({ code: "ECONNRESET", unread: true })]);
    expect(Buffer.concat(lab.ends.dialler.chunks).toString()).toBe("read");
  });

  test("leaves no timer behind, whatever was about to be confirmed", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.connections.dialler.write(Buffer.from("x"));
    lab.move("dialler");
    lab.connections.listener.destroy();
    lab.move("listener");
    lab.move("dialler");
    expect(lab.clock.pending()).toBe(0);
  });

  test("hands over nothing more, not even the rest of what was being read", async () => {
    const lab = new ResumableLab();
    lab.link();
    const { dialler, listener } = lab.connections;
    let got = 0;
    listener.attach({
      data: (chunk) => {
        got += chunk.length;
        listener.destroy();
      },
      drain: () => undefined,
      close: () => undefined,
    });
    dialler.write(Buffer.alloc(10));
    dialler.write(Buffer.alloc(10));
    await lab.settle();
    expect(got).toBe(10);
  });
});

test("who finishes first stays until the other side knows: an end whose last ack is lost is clean on both sides", async () => {
  const lab = new ResumableLab();
  lab.link();
  lab.connections.dialler.end();
  lab.move("dialler");
  lab.move("listener");
  await new Promise((resolve) => setImmediate(resolve));
  expect(lab.ends.dialler.closes).toEqual([undefined]);
  expect([lab.over.dialler, lab.ends.listener.closed]).toEqual([0, false]);
  lab.cut();
  lab.link();
  await lab.settle();
  expect([lab.ends.listener.closes, lab.over]).toEqual([[undefined], { dialler: 1, listener: 1 }]);
});

describe("a peer that breaks the protocol ends its connection alone, with ProtocolError", () => {
  const frame = (...bytes: number[]): Buffer => Buffer.from(bytes);
  const vices: [string, Buffer][] = [
    ["a type that there is not", frame(0xf0, 0, 0, 0)],
    ["type zero", frame(0, 0, 0, 0)],
    ["data of no bytes", frame(0x10, 0, 0, 0)],
    ["data longer than a piece", frame(0x10, 0x04, 0, 1)],
    ["data of 256 MiB", frame(0x1f, 0xff, 0xff, 0xff)],
    ["an ack of the wrong length", frame(0x20, 0, 0, 5, 0, 0, 0, 0, 0)],
    ["an end with a length", frame(0x30, 0, 0, 1, 0)],
    ["a ping with a length", frame(0x40, 0, 0, 9)],
    ["an ack of what was not sent", ackFrame(6)],
    ["an ack far ahead", ackFrame(2 ** 47)],
    ["an ack of an end that was not sent", ackFrame(6)],
    ["a close beyond what was sent", closeFrame(6)],
    ["an ack that goes back", Buffer.concat([ackFrame(5), ackFrame(4)])],
    ["two ends", Buffer.concat([finFrame, finFrame])],
    ["data after the end", Buffer.concat([finFrame, dataFrame(Buffer.from("x"), undefined)])],
    ["a failure beyond what was sent", failFrame(6)],
    ["a failure of the wrong length", frame(0x80, 0, 0, 7)],
    ["a parting in the middle", frame(0x70, 0, 0, 0)],
  ];
  test.each(vices)("%s", async (_name, bytes) => {
    for (const pieces of [1, bytes.length]) {
      const lab = new ResumableLab();
      lab.link();
      lab.connections.dialler.write(Buffer.from("hello"));
      const half = lab.halves!.dialler;
      for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / pieces)) {
        half.handlers!.data(bytes.subarray(at, at + Math.ceil(bytes.length / pieces)));
      }
      await lab.settle();
      expect(lab.ends.dialler.closes).toEqual([expect.objectContaining({ code: "ERR_TINDERBOX_PROTOCOL" })]);
      expect(lab.over.dialler).toBe(1);
    }
  });

  test.each([
    ["ahead of what was sent", 6],
    ["of an end that there was not", 7],
  ])("a position at a new link %s", async (_name, position) => {
    const lab = new ResumableLab();
    lab.link();
    lab.connections.dialler.write(Buffer.from("hello"));
    const { dialler } = lab.halves!;
    lab.connections.dialler.link(dialler, position);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lab.ends.dialler.closes).toEqual([expect.objectContaining({ code: "ERR_TINDERBOX_PROTOCOL" })]);
  });

  test("a position at a new link before what was confirmed", async () => {
    const lab = new ResumableLab();
    lab.link();
    lab.connections.dialler.write(Buffer.from("hello"));
    await lab.settle();
    lab.connections.dialler.link(lab.halves!.dialler, 4);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lab.ends.dialler.closes).toEqual([expect.objectContaining({ code: "ERR_TINDERBOX_PROTOCOL" })]);
  });
});

test("what the user's own handler throws ends this connection alone", async () => {
  const lab = new ResumableLab();
  lab.link();
  const closes: (Error | undefined)[] = [];
  const fault = new Error("a fault of the handler");
  lab.connections.listener.attach({
    data: () => {
      throw fault;
    },
    drain: () => undefined,
    close: (error) => void closes.push(error),
  });
  lab.connections.dialler.write(Buffer.from("x"));
  await lab.settle();
  expect(closes).toEqual([fault]);
});

test("nothing keeps the process alive until it is held, on whatever link", async () => {
  const lab = new ResumableLab();
  lab.link();
  expect([lab.halves!.dialler.held, lab.clock.pending({ held: true })]).toEqual([false, 0]);
  lab.connections.dialler.hold(true);
  expect([lab.halves!.dialler.held, lab.clock.pending({ held: true })]).toEqual([true, 1]);
  lab.cut();
  lab.clock.advance(1_500);
  expect(lab.clock.pending({ held: true })).toBe(1);
  lab.link();
  expect([lab.halves!.dialler.held, lab.halves!.listener.held]).toEqual([true, false]);
  lab.connections.dialler.hold(false);
  expect([lab.halves!.dialler.held, lab.clock.pending({ held: true })]).toEqual([false, 0]);
});
