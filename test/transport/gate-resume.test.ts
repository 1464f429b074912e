import { createHash, randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { newCertificate } from "../../src/transport/certificate.ts";
import { Dialler } from "../../src/transport/gate-dialler.ts";
import { Streams } from "../../src/transport/gate-streams.ts";
import { dataFrame } from "../../src/transport/resumable-frames.ts";
import {
  type Call,
  type Parties,
  callBytes,
  encodeAnswer,
  newStream,
  readCall,
} from "../../src/transport/tls-greeting.ts";
import { type Secured, acceptTls, listenTcp, readExactly, tlsContext } from "../../src/transport/tls.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { End } from "../conformance/transport.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { startScript } from "../harness/script.ts";
import { repository } from "../harness/script-folder.ts";
import { until } from "../harness/until.ts";
import { GateLab, ways } from "./gate-lab.ts";
import { ResumableLab } from "./resumable-lab.ts";

const before = activeResources();
const labs: GateLab[] = [];
const open = async (...options: Parameters<typeof GateLab.open>): Promise<GateLab> => {
  const lab = await GateLab.open(...options);
  labs.push(lab);
  return lab;
};
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.close();
  await expectNoResourceLeft(before);
});

const digest = (chunks: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
};

/** Writes chunks for as long as the other side keeps up, and goes on when it says so. */
async function send(end: End, chunks: readonly Buffer[]): Promise<void> {
  for (const chunk of chunks) {
    const { drains } = end;
    if (end.connection.write(chunk)) continue;
    await until("a drain", () => end.drains > drains || end.closed, { every: 2 });
  }
}

describe.each(ways)("where the %s dials", (way) => {
  test("links that break at any byte, of the handshake too, cost nothing", async () => {
    const lab = await open();
    // Links of one are cut while the other's is made, again and again.
    const { machine, arrived, proxy } = await lab.machine({ way, grant: { windowMs: 60_000 } });
    const { machine: near, parent: far } = await lab.data(machine, arrived);
    const [there, back] = [0, 1].map(() =>
      Array.from({ length: 60 }, (_, index) => randomBytes([1, 100, 5_000, 70_000][index % 4]!)),
    );
    const sending = Promise.all([send(near, there!), send(far, back!)]);
    for (let round = 0; round < 24; round++) {
      const direction = round % 2 === 0 ? "there" : "back";
      // Up to 2500 bytes is the handshake and the greeting; beyond that are frames.
      proxy.cutAt = { direction, bytes: Math.floor(round < 12 ? round * 230 : Math.random() * 60_000) };
      const { links } = proxy;
      proxy.cut();
      await until("another link", () => proxy.links > links, { every: 2 });
    }
    proxy.cutAt = undefined;
    await sending;
    near.connection.end();
    await until("the ends", () => near.closed && far.closed);
    expect([near.closes, far.closes]).toEqual([[undefined], [undefined]]);
    expect([digest(far.chunks), digest(near.chunks)]).toEqual([digest(there!), digest(back!)]);
    expect([machine.closes, arrived.closes]).toEqual([[], []]);
  });

  test("a machine that cannot be heard counts as alive until its window is over", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way, grant: { windowMs: 2_000 } });
    const beats = (): number => arrived.told.filter(([word]) => word === "beat").length;
    for (let ping = 1; ping <= 3; ping++) {
      arrived.guest!.ping();
      await until("a ping", () => machine.told.length >= ping);
    }
    machine.host.beat();
    await until("its own beat", () => beats() > 0);
    expect(beats()).toBe(1);
    proxy.dark = true;
    const pinged = { every: 600 };
    await until("a beat without it", () => (arrived.guest!.ping(), beats() > 1), pinged);
    let last = 0;
    const none = (): boolean => {
      last = beats();
      arrived.guest!.ping();
      return beats() === last;
    };
    await until("no more beats", none, pinged);
  });

  test("a link that is reset in the middle of 32 MB loses and repeats nothing", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way });
    const { machine: near, parent: far } = await lab.data(machine, arrived);
    const chunks = Array.from({ length: 128 }, () => randomBytes(262_144));
    const sending = send(near, chunks);
    for (let round = 1; round <= 4; round++) {
      await until("more bytes", () => far.received > round * 5_000_000, { every: 1 });
      proxy.cut();
    }
    await sending;
    await until("all bytes", () => far.received === 128 * 262_144);
    expect(digest(far.chunks)).toBe(digest(chunks));
  });

  test("what is said over the guard while it has no link is heard afterwards", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way });
    proxy.refusing = true;
    proxy.cut();
    for (let line = 0; line < 50; line++) machine.host.output("stdout", `line ${line}`);
    arrived.guest!.kill();
    proxy.refusing = false;
    await until("the lines", () => arrived.told.length === 50);
    await until("the word", () => machine.told.length === 1);
    expect(arrived.told.map(([, , line]) => line)).toEqual(Array.from({ length: 50 }, (_, line) => `line ${line}`));
  });

  test("a link that is forgotten on the way is noticed and replaced, whoever has something to say", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way });
    const { machine: near, parent: far } = await lab.data(machine, arrived);
    proxy.forget();
    far.connection.write(Buffer.from("from the parent"));
    await until("the parent's word", () => near.received === 15, { within: 15_000 });
    near.connection.write(Buffer.from("from the machine"));
    await until("the machine's word", () => far.received === 16);
    expect([machine.closes, arrived.closes, near.closes, far.closes]).toEqual([[], [], [], []]);
  });

  test("a network that is dark for longer than the window ends both sides, with all their connections", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way, grant: { windowMs: 500 } });
    const { machine: near, parent: far } = await lab.data(machine, arrived);
    proxy.refusing = true;
    proxy.dark = true;
    arrived.guest!.ping();
    machine.host.beat();
    near.connection.write(Buffer.from("?"));
    await until("the parent's letting go", () => arrived.closes.length === 1);
    expect(arrived.closes).toEqual([expect.objectContaining({ code: "ETIMEDOUT" })]);
    // Where the machine listens it waits for as long as a parent may be busy: its kernel's questions are answered here.
    proxy.dark = false;
    proxy.cut();
    await until("the machine's letting go", () => machine.closes.length === 1);
    expect(machine.closes).toEqual([
      expect.objectContaining({ code: expect.stringMatching(/^E(TIMEDOUT|CONNRESET)$/) }),
    ]);
    await until("the ends", () => near.closed && far.closed);
    expect([near.closes[0], far.closes[0]]).toEqual([expect.any(Error), expect.any(Error)]);
  });

  test("a data connection that ends while there is no link ends cleanly on both sides", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way });
    for (const who of ["machine", "parent"] as const) {
      const ends = await lab.data(machine, arrived);
      proxy.refusing = true;
      proxy.cut();
      ends[who].connection.write(Buffer.from("last words"));
      ends[who].connection.end();
      proxy.refusing = false;
      await until("the ends", () => ends.machine.closed && ends.parent.closed);
      expect([ends.machine.closes, ends.parent.closes]).toEqual([[undefined], [undefined]]);
      expect(Buffer.concat(ends[who === "machine" ? "parent" : "machine"].chunks).toString()).toBe("last words");
    }
  });

  test("a data connection that is destroyed while there is no link is told so", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way });
    for (const who of ["machine", "parent"] as const) {
      const ends = await lab.data(machine, arrived);
      const other = ends[who === "machine" ? "parent" : "machine"];
      proxy.refusing = true;
      proxy.cut();
      other.connection.write(Buffer.from("too late"));
      ends[who].connection.destroy();
      proxy.refusing = false;
      await until("the ends", () => other.closed);
      expect(ends[who].closes).toEqual([undefined]);
      expect(other.closes).toEqual([expect.objectContaining({ code: "ECONNRESET", unread: true })]);
    }
  });
});

const source = (path: string): string => JSON.stringify(`${repository}/src/${path}`);

test("a parent that is blocked for three times the window keeps its machine, and all that it says", async () => {
  const parent = startScript(`
    import { openGate } from ${source("transport/gate.ts")};
    import { systemClock as clock } from ${source("clock.ts")};
    const gate = await openGate({ clock, host: "127.0.0.1" });
    setInterval(() => {}, 1000);
    let beats = 0;
    gate.expect(Buffer.alloc(32, 1), () => ({
      grant: { runner: "r", token: "t", env: {}, flags: [], onParentLoss: "kill", windowMs: 1000 },
      attached() {}, accept(c) {
        c.attach({ data: (bytes) => { console.log("got " + bytes); c.write(bytes); }, drain() {}, close(error) { console.log("data closed", error?.code); } });
      },
      beat() { console.log("beat " + ++beats); }, output() {}, exited() {}, notice() {}, closed(error) { console.log("lost", error?.code); process.exit(); },
    }));
    process.on("SIGUSR2", () => { console.log("blocked"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000); console.log("back"); });
    console.log("gate " + gate.address + " " + gate.fingerprint + ".");
  `);
  await parent.see(/gate .*\./);
  const [, address, fingerprint] = /gate (\S+) (\w+)\./.exec(parent.stdout)!;
  const machine = startScript(`
    import { enrol } from ${source("transport/gate-machine.ts")};
    import { systemClock as clock } from ${source("clock.ts")};
    const host = await enrol({ clock, addresses: [${JSON.stringify(address)}], fingerprint: ${JSON.stringify(fingerprint)}, ticket: Buffer.alloc(32, 1), claim: { instance: "i", identity: undefined, phases: {} } });
    host.hold(true);
    host.attach({ ping() {}, kill() {}, release() {}, drain() {}, closed(error) { console.log("lost", error?.code); process.exit(); } });
    const data = await host.data();
    data.attach({ data: (bytes) => console.log("answer " + bytes), drain() {}, close(error) { console.log("data closed", error?.code); } });
    setInterval(() => host.beat(), 250);
    process.on("SIGUSR2", () => data.write(Buffer.from("word")));
    process.on("SIGTERM", () => process.exit());
    console.log("in");
  `);
  await machine.see(/in\n/);
  await parent.see(/beat 1\n/);
  parent.kill("SIGUSR2");
  await parent.see(/blocked/);
  machine.kill("SIGUSR2");
  await parent.see(/back/);
  await machine.see(/answer word/);
  await parent.see(/beat 14\n/);
  expect([machine.stdout, parent.stdout].join("\n")).not.toMatch(/lost|closed/);
  machine.kill("SIGTERM");
  await parent.see(/lost/);
  await Promise.all([machine.finished, parent.finished]);
});

describe("links that come out of order", () => {
  const call = (stream: string, epoch: number): Call => ({
    kind: "data",
    fresh: false,
    ticketId: "",
    stream,
    epoch,
    position: 0,
  });

  test("an older one never takes the place of a later one", () => {
    const clock = new FakeClock();
    const streams = new Streams({ clock, windowMs: 1_000, silence: "drop" });
    const connection = streams.add("a");
    expect(streams.answer(call("a", 2))).toMatchObject({ answer: { state: "here", position: 0 } });
    expect(streams.answer(call("a", 1))).toBeUndefined();
    expect(streams.answer(call("a", 2))).toBeUndefined();
    expect(streams.answer(call("a", 3))).toBeDefined();
    connection.abandon();
  });

  test("what an old one still brings is not taken once its position has been told for a new one", async () => {
    const lab = new ResumableLab();
    const streams = new Streams({ clock: lab.clock, windowMs: 1_000, silence: "drop" });
    const connection = streams.add("a");
    const end = new End(connection).attach();
    lab.link();
    // The lab's dialler speaks to a listener of this table.
    const { dialler, listener } = lab.halves!;
    lab.connections.listener.unlink();
    listener.closed = false;
    streams.answer(call("a", 1))!.link!(listener);
    lab.connections.dialler.write(Buffer.from("x"));
    const late = dialler.take(Infinity);
    expect(streams.answer(call("a", 2))!.answer).toEqual({ state: "here", position: 0 });
    listener.handlers!.data(late);
    expect([end.received, connection.received, listener.closed]).toEqual([0, 0, true]);
    connection.abandon();
    lab.connections.dialler.abandon();
  });

  test("a dialler tells its position when the old one brings nothing more, and that it is no beginning", async () => {
    const [own, other] = [await newCertificate(), await newCertificate()];
    const ticket = Buffer.alloc(32, 7);
    const made: { secured: Secured; bytes: Buffer; words: Call; parties: Parties }[] = [];
    const server = await listenTcp(0, "127.0.0.1", async (raw) => {
      const secured = await acceptTls(raw, tlsContext(own), systemClock);
      const parties = { secured, own: own.fingerprint, role: "parent" } as const;
      const bytes = await readExactly(secured.socket, callBytes);
      made.push({ secured, bytes, parties, words: readCall(bytes, parties, () => ticket)! });
    });
    const say = ({ secured, bytes, parties }: (typeof made)[number]): void => {
      secured.socket.write(encodeAnswer({ state: "here", position: 0 }, bytes, ticket, parties));
    };
    const dialler = new Dialler(
      { role: "machine", certificate: other, context: tlsContext(other), clock: systemClock },
      {
        addresses: [`127.0.0.1:${(server.address() as { port: number }).port}`],
        kind: "data",
        ticket,
        stream: newStream(),
        fingerprint: () => own.fingerprint,
      },
      { windowMs: 400, patienceMs: 10_000 },
    );
    const end = new End(dialler.connection).attach();
    dialler.wanted();
    const first = await until("the first call", () => made[0]);
    say(first);
    end.connection.write(Buffer.from("is anybody there?"));
    // Nobody answers: another link is made beside this one.
    const second = await until("the second call", () => made[1]);
    expect([first.words, second.words].map(({ fresh, epoch, position }) => [fresh, epoch, position])).toEqual([
      [true, 1, 0],
      [false, 2, 0],
    ]);
    let closed = false;
    first.secured.socket.on("close", () => (closed = true)).on("error", () => undefined);
    first.secured.socket.resume();
    first.secured.socket.write(dataFrame(Buffer.from("once"), undefined));
    await until("the old link's end", () => closed, { within: 3_000 });
    say(second);
    second.secured.socket.write(dataFrame(Buffer.from("once"), undefined));
    await until("the word", () => end.received >= 4);
    expect(Buffer.concat(end.chunks).toString()).toBe("once");
    dialler.connection.abandon();
    second.secured.socket.resume();
    await new Promise((resolve) => server.close(resolve));
  });

  test("one that has ended is remembered with what it had read, among the last thousand", async () => {
    const clock = new FakeClock();
    const streams = new Streams({ clock, windowMs: 1_000, silence: "drop" });
    for (let number = 0; number < 1_500; number++) streams.add(`s${number}`).abandon();
    expect([streams.size, streams.has("s0"), streams.has("s1499")]).toEqual([0, false, true]);
    expect(streams.answer(call("s1499", 1))).toEqual({ answer: { state: "gone", position: 0 } });
    expect(streams.answer(call("s0", 1))).toEqual({ answer: { state: "gone", position: undefined } });
    streams.add("failed").fail(new Error("a fault"));
    expect(streams.answer(call("failed", 1))).toEqual({ answer: { state: "gone", position: undefined } });
    expect(streams.has("failed")).toBe(true);
    expect(clock.pending()).toBe(0);
  });
});
