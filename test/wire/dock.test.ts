import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { Connection, Listener } from "../../src/ports/transport.ts";
import { dialUnix, listenUnix } from "../../src/transport/unix.ts";
import { Dock } from "../../src/wire/dock.ts";
import type { Message } from "../../src/wire/messages.ts";
import { Session } from "../../src/wire/session.ts";
import { memoryTransport } from "../conformance/memory-transport.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { expectNoFolderLeft } from "../harness/leaks.ts";
import { until } from "../harness/until.ts";
import { Party, Stranger, hello, socketTo, welcome } from "./parties.ts";

/** A dock within this process, and a clock that the test moves. */
function lab() {
  const clock = new FakeClock();
  const transport = memoryTransport();
  let listening = 0;
  const dock = new Dock(async (accept) => {
    listening++;
    return transport.listen(accept);
  }, clock);
  const dial = async (): Promise<Stranger> => new Stranger(await transport.dial(await dock.address()));
  const expectParty = (token = randomBytes(32)) => {
    const party = new Party();
    const forget = dock.expect(token, (session) => {
      party.session = session;
      return party;
    });
    return { party, token, forget, hello: { ...hello, token } as Message };
  };
  return { clock, dock, dial, expectParty, listening: () => listening };
}

const closed = (stranger: Stranger) => until("the end", () => stranger.closes.length > 0);

test("who shows a token comes to those who gave it out, each to their own", async () => {
  const { dial, expectParty } = lab();
  const [one, other] = [expectParty(), expectParty()];
  const strangers = [await dial(), await dial()];
  strangers[0]!.say(other.hello);
  strangers[1]!.say(one.hello);
  await Promise.all([one.party.see("hello"), other.party.see("hello")]);
  one.party.session.send(welcome);
  await until("the welcome", () => strangers[1]!.messages.length === 1);
  expect(strangers[0]!.messages).toEqual([]);
});

test("the dock listens once, and at the same address", async () => {
  const { dock, listening } = lab();
  expect(await dock.address()).toBe(await dock.address());
  expect(listening()).toBe(1);
});

test("a token works once: shown again it is refused, and the first session lives", async () => {
  const { dial, expectParty } = lab();
  const { party, hello: own } = expectParty();
  const [first, second] = [await dial(), await dial()];
  first.say(own);
  await party.see("hello");
  second.say(own);
  await closed(second);
  first.say({ type: "ready" });
  await party.see("ready");
  expect([party.types, party.closes]).toEqual([["hello", "ready"], []]);
});

test("a token that is no longer expected is refused", async () => {
  const { dial, expectParty } = lab();
  const { party, hello: own, forget } = expectParty();
  forget();
  const stranger = await dial();
  stranger.say(own);
  await closed(stranger);
  expect(party.messages).toEqual([]);
});

test("a token of no bytes, half a token, or a token and more opens nothing", async () => {
  const { dial, expectParty } = lab();
  const { party, token } = expectParty();
  for (const shown of [Buffer.alloc(32), Buffer.concat([token.subarray(0, 31), Buffer.from([token[31]! ^ 1])])]) {
    const stranger = await dial();
    stranger.say({ ...hello, token: shown } as Message);
    await closed(stranger);
  }
  expect(party.messages).toEqual([]);
});

describe("strangers", () => {
  test("who says nothing is cut off by the clock, and not before", async () => {
    const { clock, dial } = lab();
    const silent = await dial();
    clock.advance(9_999);
    await dial();
    expect(silent.closes).toEqual([]);
    clock.advance(1);
    await closed(silent);
  });

  test("who speaks a byte a second is cut off all the same", async () => {
    const { clock, dial, expectParty } = lab();
    const slow = await dial();
    slow.writer.add(1, 0, Buffer.concat([Buffer.from([0, 1]), expectParty().token]));
    for (const byte of slow.writer.take()!.subarray(0, 10)) {
      slow.connection.write(Buffer.from([byte]));
      clock.advance(1_000);
    }
    expect(await closed(slow)).toBe(true);
  });

  test("who has come in is not: the clock is stopped", async () => {
    const { clock, dial, expectParty } = lab();
    const { party, hello: own } = expectParty();
    const stranger = await dial();
    stranger.say(own);
    await party.see("hello");
    expect(clock.pending()).toBe(0);
    clock.advance(100_000);
    expect(party.closes).toEqual([]);
  });

  test("who leaves, or is refused, leaves no clock behind", async () => {
    const { clock, dial } = lab();
    const [leaves, lies] = [await dial(), await dial()];
    leaves.connection.end();
    lies.connection.write(randomBytes(100));
    await Promise.all([closed(leaves), closed(lies)]);
    expect(await until("no clock", () => clock.pending() === 0)).toBe(true);
  });

  test("are 64 at a time; more are refused at once, and their place is free again when they go", async () => {
    const { clock, dial, expectParty } = lab();
    const crowd = await Promise.all(Array.from({ length: 64 }, dial));
    const late = await dial();
    await closed(late);
    expect(crowd.every((stranger) => stranger.closes.length === 0)).toBe(true);
    clock.advance(10_000);
    await until("an empty dock", () => crowd.every((stranger) => stranger.closes.length === 1));
    const { party, hello: own } = expectParty();
    (await dial()).say(own);
    await party.see("hello");
  });

  test("a hundred runners that are expected may come at the same moment", async () => {
    const { dial, expectParty } = lab();
    const expected = Array.from({ length: 100 }, () => expectParty());
    const strangers = await Promise.all(expected.map(dial));
    for (const [index, stranger] of strangers.entries()) stranger.say(expected[index]!.hello);
    await Promise.all(expected.map(({ party }) => party.see("hello")));
    expect(strangers.every((stranger) => stranger.closes.length === 0)).toBe(true);
  });
});

describe("the end of the dock", () => {
  test("refuses new ones, cuts off strangers, and keeps who has come in", async () => {
    const { clock, dock, dial, expectParty } = lab();
    const { party, hello: own } = expectParty();
    const [known, stranger] = [await dial(), await dial()];
    known.say(own);
    await party.see("hello");
    await dock.close();
    await closed(stranger);
    known.say({ type: "ready" });
    await party.see("ready");
    await expect(dial()).rejects.toThrow("Cannot listen for runners: the dock is closed");
    expect(clock.pending()).toBe(0);
    await dock.close();
  });

  test("comes even while it begins to listen, and no listener is left", async () => {
    const listeners: { closed: boolean }[] = [];
    const dock = new Dock(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      const listener: Listener & { closed: boolean } = {
        address: "x",
        closed: false,
        close: () => (listener.closed = true),
      };
      listeners.push(listener);
      return listener;
    }, new FakeClock());
    const address = dock.address();
    await dock.close();
    await address;
    expect(listeners).toMatchObject([{ closed: true }]);
  });

  test("is no trouble for a dock that never listened, or could not", async () => {
    const { dock, listening } = lab();
    await dock.close();
    expect(listening()).toBe(0);
    const broken = new Dock(() => Promise.reject(new Error("no socket")), new FakeClock());
    await expect(broken.address()).rejects.toThrow("no socket");
    await broken.close();
  });
});

test("the end of a dock that fails to listen meanwhile is no failure", async () => {
  const dock = new Dock(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    throw new Error("no socket");
  }, new FakeClock());
  const address = dock.address();
  await expect(dock.close()).resolves.toBeUndefined();
  await expect(address).rejects.toThrow("no socket");
});

test("a dock that could not listen tries again the next time", async () => {
  let attempts = 0;
  const dock = new Dock(async () => {
    if (++attempts === 1) throw new Error("no socket");
    return { address: "x", close: () => undefined };
  }, new FakeClock());
  await expect(dock.address()).rejects.toThrow("no socket");
  expect(await dock.address()).toBe("x");
});

test("a thousand connections full of garbage over real sockets leave the dock serving a good one", async () => {
  const dock = new Dock(listenUnix, systemClock);
  whenTestEnds(() => dock.close());
  const address = await dock.address();
  const token = randomBytes(32);
  const party = new Party();
  dock.expect(token, (session) => {
    party.session = session;
    return party;
  });
  let ended = 0;
  const attack = async (index: number): Promise<void> => {
    const socket = await socketTo({ address });
    const done = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const bytes = randomBytes(4 + (index % 3_000));
    // Some look like the beginning of a frame, some are just cut off, some say nothing and leave.
    if (index % 4 === 0) bytes.writeUInt32BE(10 + (index % 900));
    if (index % 5 !== 0) socket.write(bytes);
    if (index % 3 === 0) socket.destroy();
    else socket.end();
    await done;
    ended++;
  };
  for (let index = 0; index < 1_000; index += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, offset) => attack(index + offset)));
  }
  expect(ended).toBe(1_000);
  const runner = new Party();
  const connection: Connection = await dialUnix(address);
  runner.session = new Session(connection, runner);
  runner.session.send({ ...hello, token } as Message);
  await party.see("hello");
  party.session.send(welcome);
  await runner.see("welcome");
  runner.session.destroy();
  await party.seeClosed();
  await dock.close();
  await expectNoFolderLeft();
});
