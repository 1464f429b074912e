import { randomBytes } from "node:crypto";
import { type Socket, connect, createServer } from "node:net";
import { type ConnectionOptions, TLSSocket, connect as connectTls, createSecureContext } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { type Certificate, newCertificate } from "../../src/transport/certificate.ts";
import { enrol } from "../../src/transport/gate-machine.ts";
import { claimBytes, encodeWord } from "../../src/transport/gate-words.ts";
import { dataFrame } from "../../src/transport/resumable-frames.ts";
import {
  type Call,
  type Role,
  answerBytes,
  callBytes,
  encodeCall,
  newStream,
  readAnswer,
  ticketIdOf,
} from "../../src/transport/tls-greeting.ts";
import { type Secured, dialTls, readExactly, tlsContext } from "../../src/transport/tls.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { until } from "../harness/until.ts";
import { GateLab, freePort } from "./gate-lab.ts";

const before = activeResources();
const labs: GateLab[] = [];
/** Deadlines of ten seconds come after three tenths of one here. */
const fast = {
  ...systemClock,
  timer: (ms: number, fire: () => void) => systemClock.timer(ms === 10_000 ? 300 : ms, fire),
};
const open = async (...options: Parameters<typeof GateLab.open>): Promise<GateLab> => {
  const lab = await GateLab.open(...options);
  labs.push(lab);
  return lab;
};
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const lab of labs.splice(0)) await lab.close();
  await expectNoResourceLeft(before);
});

const target = (address: string): { host: string; port: number } => {
  const [host, port] = address.split(":");
  return { host: host!, port: Number(port) };
};

/** What a socket has got, and whether it is closed. */
function watch(socket: Socket): { bytes: () => number; closed: () => boolean } {
  let bytes = 0;
  let closed = false;
  sockets.push(socket);
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => void (bytes += chunk.length));
  socket.on("close", () => void (closed = true));
  socket.resume();
  return { bytes: () => bytes, closed: () => closed };
}

async function knock(address: string, certificate: Certificate): Promise<Secured> {
  const secured = await dialTls(address, { context: tlsContext(certificate), clock: systemClock }).secured;
  sockets.push(secured.socket);
  return secured;
}

interface Caller {
  readonly ticket: Buffer;
  readonly certificate: Certificate;
  readonly role?: Role;
  readonly call?: Partial<Call>;
  /** What becomes of the call's bytes before they are sent. */
  readonly change?: (bytes: Buffer) => Buffer;
}

/** Calls as a machine would, or nearly so. */
async function call(address: string, caller: Caller): Promise<{ secured: Secured; bytes: Buffer }> {
  const secured = await knock(address, caller.certificate);
  const words: Call = {
    kind: "guard",
    fresh: true,
    ticketId: ticketIdOf(caller.ticket),
    stream: newStream(),
    epoch: 1,
    position: 0,
    ...caller.call,
  };
  const parties = { secured, own: caller.certificate.fingerprint, role: caller.role ?? "machine" } as const;
  const made = encodeCall(words, caller.ticket, parties);
  const bytes = caller.change?.(made) ?? made;
  secured.socket.write(bytes);
  return { secured, bytes };
}

/** How many bytes it gets until it is closed. */
async function heardBy(socket: Socket): Promise<number> {
  const seen = watch(socket);
  // Sooner than any deadline would end it.
  await until("the end", seen.closed, { within: 4_000 });
  return seen.bytes();
}

/** After all of it a good machine still comes in. */
async function expectOpen(lab: GateLab): Promise<void> {
  const ticket = randomBytes(32);
  const number = lab.arrived.length;
  const stop = lab.gate.expect(ticket, lab.admit);
  const host = await enrol(lab.machineOptions(lab.gate.address, { ticket, withinMs: 5_000 }));
  stop();
  host.close();
  await until("its end", () => lab.arrived[number]?.closes.length === 1);
}

describe("a stranger without TLS 1.3 and a certificate gets nothing", () => {
  const garbage: [string, Buffer][] = [
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["random bytes", randomBytes(1_000)],
    ["a TLS record of 64 KiB", Buffer.concat([Buffer.from([0x16, 3, 1, 0xff, 0xff]), randomBytes(70_000)])],
    ["a TLS alert", Buffer.from([0x15, 3, 3, 0, 2, 2, 40])],
    ["our call in the clear", Buffer.concat([Buffer.from([0x74, 0x62, 0x78, 1]), randomBytes(callBytes - 4)])],
  ];
  test.each(garbage)("that sends %s", async (_name, bytes) => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const socket = connect(target(lab.gate.address));
    const seen = watch(socket);
    socket.write(bytes);
    await until("the end", seen.closed);
    // An alert of TLS at most.
    expect(seen.bytes()).toBeLessThanOrEqual(7);
    await expectOpen(lab);
    expect(lab.arrived).toHaveLength(1);
  });

  test("that says nothing, or a byte now and then, within the deadline", async () => {
    const lab = await open({ clock: fast });
    const [silent, slow] = [0, 1].map(() => connect(target(lab.gate.address)));
    const seen = [watch(silent!), watch(slow!)];
    const dripping = setInterval(() => slow!.write(Buffer.from([0x16])), 50);
    try {
      await until("both ends", () => seen.every(({ closed }) => closed()));
      expect(seen.map(({ bytes }) => bytes())).toEqual([0, 0]);
    } finally {
      clearInterval(dripping);
    }
    await expectOpen(lab);
  });

  test("that stops in the middle of the handshake", async () => {
    const lab = await open({ clock: fast });
    const middle = createServer((near) => {
      const far = connect(target(lab.gate.address));
      far.on("error", () => undefined);
      near.on("error", () => undefined);
      // The hello is passed on, the answer to it is not answered.
      near.once("data", (hello: Buffer) => far.write(hello));
      far.on("close", () => near.destroy());
      far.resume();
    });
    await new Promise<void>((resolve) => middle.listen(0, "127.0.0.1", resolve));
    const address = `127.0.0.1:${(middle.address() as { port: number }).port}`;
    const dialled = dialTls(address, { context: tlsContext(await newCertificate()), clock: systemClock });
    await expect(dialled.secured).rejects.toThrow(/^Cannot connect to|disconnected|reset|hung up/);
    await new Promise((resolve) => middle.close(resolve));
    await expectOpen(lab);
  });

  test.each<[string, (certificate: Certificate) => ConnectionOptions]>([
    ["speaks TLS 1.2", ({ cert, key }) => ({ cert, key, maxVersion: "TLSv1.2" })],
    ["shows no certificate", () => ({})],
  ])("that %s", async (_name, options) => {
    const lab = await open();
    const socket = connectTls({
      ...target(lab.gate.address),
      rejectUnauthorized: false,
      ...options(await newCertificate()),
    });
    expect(await heardBy(socket)).toBe(0);
    await expectOpen(lab);
  });

  test("that shows somebody else's certificate without its key", async () => {
    const lab = await open();
    const [own, other] = [await newCertificate(), await newCertificate()];
    expect(() => createSecureContext({ cert: other.cert, key: own.key })).toThrow(/key values mismatch/);
    await expectOpen(lab);
  });
});

describe("a stranger with TLS and a certificate gets nothing", () => {
  const callers: [string, (lab: GateLab) => Partial<Caller>][] = [
    ["that guesses a ticket", () => ({ ticket: randomBytes(32) })],
    [
      "that knows the ticket's name alone",
      (lab) => ({ ticket: randomBytes(32), call: { ticketId: ticketIdOf(lab.ticket) } }),
    ],
    ["that proves it as a parent would", () => ({ role: "parent" })],
    ["whose proof is one bit off", () => ({ change: (bytes) => flip(bytes, callBytes - 1) })],
    ["that changes the stream after the proof", () => ({ change: (bytes) => flip(bytes, 24) })],
    ["that changes the position after the proof", () => ({ change: (bytes) => flip(bytes, 51) })],
    ["that changes the kind after the proof", () => ({ change: (bytes) => flip(bytes, 4) })],
    ["that changes the unused bytes after the proof", () => ({ change: (bytes) => flip(bytes, 6) })],
    ["of another version", () => ({ change: (bytes) => flip(bytes, 3) })],
    ["that sends zeroes", () => ({ change: () => Buffer.alloc(callBytes) })],
    ["that asks for data before it has come in", () => ({ call: { kind: "data" } })],
    ["that goes on with what it never began", () => ({ call: { fresh: false } })],
  ];
  test.each(callers)("%s", async (_name, make) => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const certificate = await newCertificate();
    const { secured } = await call(lab.gate.address, { ticket: lab.ticket, certificate, ...make(lab) });
    expect(await heardBy(secured.socket)).toBe(0);
    expect(lab.arrived).toEqual([]);
  });

  function flip(bytes: Buffer, at: number): Buffer {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    return changed;
  }

  test("that says on one connection what was made for another, with the same certificate and the right ticket", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const certificate = await newCertificate();
    const [first, second] = [await knock(lab.gate.address, certificate), await knock(lab.gate.address, certificate)];
    const words = { kind: "guard", fresh: true, ticketId: ticketIdOf(lab.ticket), epoch: 1, position: 0 } as const;
    const parties = { secured: first, own: certificate.fingerprint, role: "machine" } as const;
    const bytes = encodeCall({ ...words, stream: newStream() }, lab.ticket, parties);
    second.socket.write(bytes);
    expect(await heardBy(second.socket)).toBe(0);
    first.socket.write(bytes);
    expect(await readExactly(first.socket, answerBytes)).toHaveLength(answerBytes);
  });

  test("that sends half a call, or a byte now and then, within the deadline", async () => {
    const lab = await open({ clock: fast });
    lab.gate.expect(lab.ticket, lab.admit);
    const certificate = await newCertificate();
    const half = await call(lab.gate.address, {
      ticket: lab.ticket,
      certificate,
      change: (bytes) => bytes.subarray(0, 83),
    });
    const slow = await knock(lab.gate.address, certificate);
    const dripping = setInterval(() => slow.socket.write(Buffer.from([0x74])), 50);
    try {
      expect(await Promise.all([heardBy(half.secured.socket), heardBy(slow.socket)])).toEqual([0, 0]);
    } finally {
      clearInterval(dripping);
    }
  });

  test("whose call comes byte by byte is heard all the same", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const certificate = await newCertificate();
    const { secured, bytes } = await call(lab.gate.address, {
      ticket: lab.ticket,
      certificate,
      change: () => Buffer.alloc(0),
    });
    const { secured: fresh } = { secured };
    const words = encodeCall(
      { kind: "guard", fresh: true, ticketId: ticketIdOf(lab.ticket), stream: newStream(), epoch: 1, position: 0 },
      lab.ticket,
      { secured: fresh, own: certificate.fingerprint, role: "machine" },
    );
    expect(bytes).toHaveLength(0);
    for (const byte of words) {
      fresh.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await readExactly(fresh.socket, answerBytes);
    expect(readAnswer(answer, words, lab.ticket, { secured, own: certificate.fingerprint, role: "machine" })).toEqual({
      state: "here",
      position: 0,
    });
  });

  test("when the ticket is not expected any more", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit)();
    const { secured } = await call(lab.gate.address, { ticket: lab.ticket, certificate: await newCertificate() });
    expect(await heardBy(secured.socket)).toBe(0);
  });
});

describe("whoever sits in between", () => {
  /** Ends TLS on both sides with a certificate of its own, and passes all words on. */
  async function between(lab: GateLab, address: () => string): Promise<{ address: string; seen: Buffer[] }> {
    const certificate = await newCertificate();
    const context = tlsContext(certificate);
    const seen: Buffer[] = [];
    const server = createServer((raw) => {
      raw.on("error", () => undefined);
      const near = new TLSSocket(raw, {
        isServer: true,
        secureContext: context,
        requestCert: true,
        rejectUnauthorized: false,
      });
      const far = connectTls({ ...target(address()), secureContext: context, rejectUnauthorized: false });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("error", () => undefined);
        from.on("data", (chunk: Buffer) => {
          seen.push(chunk);
          if (to.writable) to.write(chunk);
        });
        from.on("close", () => to.destroy());
      }
      sockets.push(raw, near, far);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    lab.finally(() => new Promise((resolve) => server.close(resolve)));
    return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, seen };
  }

  test("is not spoken to by a machine: not a byte", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const middle = await between(lab, () => lab.gate.address);
    const coming = enrol(lab.machineOptions(middle.address, { withinMs: 800 }));
    await expect(coming).rejects.toMatchObject({
      code: "ETIMEDOUT",
      cause: { message: expect.stringMatching(/its certificate is not the one/) },
    });
    expect([middle.seen, lab.arrived]).toEqual([[], []]);
  });

  test("has no use for the proof of a machine that does not look", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const middle = await between(lab, () => lab.gate.address);
    const { secured } = await call(middle.address, { ticket: lab.ticket, certificate: await newCertificate() });
    expect(await heardBy(secured.socket)).toBe(0);
    expect(Buffer.concat(middle.seen)).toHaveLength(callBytes);
    expect(lab.arrived).toEqual([]);
  });

  test("gets nothing from a machine that listens, nor from the parent that it leads astray", async () => {
    const lab = await open({ listen: false });
    const port = await freePort();
    const middle = await between(lab, () => `127.0.0.1:${port}`);
    const coming = enrol({
      ...lab.machineOptions("", { withinMs: 1_500 }),
      addresses: [],
      listen: { port, host: "127.0.0.1" },
    });
    const refused = coming.catch((error: unknown) => error);
    await expect(lab.gate.dial(middle.address, lab.ticket, lab.admit, { withinMs: 1_000 })).rejects.toMatchObject({
      code: "ETIMEDOUT",
    });
    // Calls of the parent, which are of no use elsewhere; no word of the machine.
    expect(Buffer.concat(middle.seen).length % callBytes).toBe(0);
    expect(lab.arrived).toEqual([]);
    expect(await refused).toMatchObject({ code: "ETIMEDOUT" });
  });
});

test("what answers a parent that dials without the ticket is not listened to, whatever it says", async () => {
  const lab = await open({ listen: false });
  const certificate = await newCertificate();
  const context = tlsContext(certificate);
  let calls = 0;
  const server = createServer((raw) => {
    raw.on("error", () => undefined);
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: true,
      rejectUnauthorized: false,
    });
    sockets.push(raw, socket);
    socket.on("error", () => undefined);
    socket.once("data", () => {
      calls++;
      const answer = Buffer.alloc(answerBytes);
      answer.set([0x74, 0x62, 0x78, 1, 1]);
      socket.write(answer);
      socket.write(dataFrame(encodeWord(["claim", { instance: "i-1", identity: undefined, phases: {} }]), undefined));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  const error = await lab.gate
    .dial(address, lab.ticket, lab.admit, { withinMs: 700 })
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "ETIMEDOUT",
    cause: { message: expect.stringMatching(/it has not proven that it knows the ticket/) },
  });
  expect([lab.arrived, calls > 1]).toEqual([[], true]);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

describe("a machine that listens", () => {
  test("speaks to the parent whose certificate it was told, and to nobody else who has the ticket", async () => {
    const lab = await open({ listen: false });
    const port = await freePort();
    const coming = enrol({ ...lab.machineOptions(""), addresses: [], listen: { port, host: "127.0.0.1" } });
    const address = `127.0.0.1:${port}`;
    await until("its port", async () => {
      const socket = connect(target(address));
      sockets.push(socket);
      return new Promise<boolean>((resolve) => {
        socket.once("connect", () => resolve(true));
        socket.once("error", () => resolve(false));
      });
    });
    for (const role of ["parent", "machine"] as const) {
      const { secured } = await call(address, { ticket: lab.ticket, certificate: await newCertificate(), role });
      expect(await heardBy(secured.socket)).toBe(0);
    }
    await lab.gate.dial(address, lab.ticket, lab.admit);
    (await coming).close();
  });
});

test("a machine that is dialled is the one whose certificate came first: to another at its address not a byte is said", async () => {
  const lab = await open({ listen: false });
  const port = await freePort();
  const context = tlsContext(await newCertificate());
  let links = 0;
  let bytes = 0;
  const other = createServer((raw) => {
    links++;
    raw.on("error", () => undefined);
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: true,
      rejectUnauthorized: false,
    });
    sockets.push(raw, socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  lab.finally(() => new Promise((resolve) => other.close(resolve)));
  const { port: otherPort } = other.address() as { port: number };
  let present = port;
  const proxy = await lab.proxy(() => `127.0.0.1:${present}`);
  const coming = enrol({ ...lab.machineOptions(""), addresses: [], listen: { port, host: "127.0.0.1" } });
  await lab.gate.dial(proxy.address, lab.ticket, (claim) => lab.admit(claim, { windowMs: 500 }));
  lab.finally((await coming).close);
  present = otherPort;
  proxy.cut();
  await until("the end of the first", () => lab.arrived[0]!.closes.length === 1);
  expect(lab.arrived[0]!.closes).toEqual([expect.objectContaining({ code: "ETIMEDOUT" })]);
  expect([links > 0, bytes]).toEqual([true, 0]);
});

describe("a machine that has come in", () => {
  /** One that we play ourselves. */
  async function come(
    lab: GateLab,
  ): Promise<{ certificate: Certificate; secured: Secured; stream: string; say(word: unknown): void }> {
    const certificate = await newCertificate();
    const stream = newStream();
    const { secured } = await call(lab.gate.address, { ticket: lab.ticket, certificate, call: { stream } });
    await readExactly(secured.socket, answerBytes);
    const say = (word: unknown): void =>
      void secured.socket.write(dataFrame(encodeWord(word as Parameters<typeof encodeWord>[0]), undefined));
    return { certificate, secured, stream, say };
  }
  const claim = ["claim", { instance: "i-1", identity: null, phases: {} }];

  test("goes on with the certificate that it came with, and with no other", async () => {
    const lab = await open();
    const stop = lab.gate.expect(lab.ticket, lab.admit);
    const { certificate, stream, say } = await come(lab);
    say(claim);
    await until("its arrival", () => lab.arrived.length === 1);
    for (const fresh of [true, false]) {
      for (const kind of ["guard", "data"] as const) {
        const other = await newCertificate();
        const id = kind === "guard" ? stream : newStream();
        if (kind === "guard" && fresh) continue;
        const { secured } = await call(lab.gate.address, {
          ticket: lab.ticket,
          certificate: other,
          call: { kind, fresh, stream: id, epoch: 9 },
        });
        expect(await heardBy(secured.socket)).toBe(0);
      }
    }
    // Another guard for the same certificate, and one with another ticket that is expected too.
    const second = await call(lab.gate.address, { ticket: lab.ticket, certificate, call: { epoch: 9 } });
    expect(await heardBy(second.secured.socket)).toBe(0);
    const ticket = randomBytes(32);
    lab.gate.expect(ticket, lab.admit);
    const elsewhere = await call(lab.gate.address, { ticket, certificate, call: { stream, fresh: false, epoch: 9 } });
    expect(await heardBy(elsewhere.secured.socket)).toBe(0);
    // An epoch that has been.
    const stale = await call(lab.gate.address, {
      ticket: lab.ticket,
      certificate,
      call: { stream, fresh: false, epoch: 1 },
    });
    expect(await heardBy(stale.secured.socket)).toBe(0);
    expect(lab.arrived[0]!.closes).toEqual([]);
    // Who is in stays when its ticket is not expected any more; nobody else comes.
    stop();
    const late = await call(lab.gate.address, { ticket: lab.ticket, certificate: await newCertificate() });
    expect(await heardBy(late.secured.socket)).toBe(0);
    const good = await call(lab.gate.address, {
      ticket: lab.ticket,
      certificate,
      call: { stream, fresh: false, epoch: 2 },
    });
    expect(await readExactly(good.secured.socket, answerBytes)).toHaveLength(answerBytes);
    expect(lab.arrived).toHaveLength(1);
  });

  const words: [string, unknown[] | Buffer][] = [
    ["a length beyond what a claim has", Buffer.from([0, 0, (claimBytes + 1) >> 8, (claimBytes + 1) & 255])],
    ["a length of 4 GiB", Buffer.from([255, 255, 255, 255])],
    ["what is no JSON", Buffer.from([0, 0, 0, 2, 0x7b, 0x7b])],
    ["what is no array", Buffer.from("\0\0\0\x02{}")],
    ["a beat before its claim", ["beat"]],
    ["a claim without an instance", ["claim", { identity: null, phases: {} }]],
    ["a claim with an empty instance", ["claim", { instance: "", identity: null, phases: {} }]],
    ["a claim with a long instance", ["claim", { instance: "i".repeat(257), identity: null, phases: {} }]],
    ["a claim with half an identity", ["claim", { instance: "i", identity: { document: "" }, phases: {} }]],
    ["a claim with words for phases", ["claim", { instance: "i", identity: null, phases: { booted: "now" } }]],
    ["a claim and more", ["claim", { instance: "i", identity: null, phases: {} }, 1]],
    ["a word of the parent's", ["grant", {}]],
  ];
  test.each(words)("gets nothing for %s", async (_name, word) => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const { secured, say } = await come(lab);
    const seen = watch(secured.socket);
    if (Buffer.isBuffer(word)) secured.socket.write(dataFrame(word, undefined));
    else say(word);
    await until("the end", seen.closed, { within: 3_000 });
    // That it is over, in the frames of the connection; nothing of what was asked.
    expect(seen.bytes()).toBeLessThanOrEqual(20);
    expect(lab.arrived).toEqual([]);
    await expectOpen(lab);
  });

  test("has no data connections before it has been let in", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const { certificate } = await come(lab);
    const { secured } = await call(lab.gate.address, { ticket: lab.ticket, certificate, call: { kind: "data" } });
    expect(await heardBy(secured.socket)).toBe(0);
  });

  test("has to say what it is within the deadline", async () => {
    const lab = await open({ clock: fast });
    lab.gate.expect(lab.ticket, lab.admit);
    const { secured } = await come(lab);
    const seen = watch(secured.socket);
    await until("the end", seen.closed, { within: 2_000 });
    expect(lab.arrived).toEqual([]);
  });

  test.each<[string, unknown[]]>([
    ["a second claim", claim],
    ["a word that there is not", ["format", "c:"]],
    ["output of another kind", ["output", "stdin", "x"]],
    ["output that is no line", ["output", "stdout", 5]],
    ["an open, where it is the machine that dials", ["open", "0".repeat(32)]],
    ["a notice without a time", ["notice", "spot"]],
    ["an exit that is none", ["exited", 1]],
  ])("and then says %s ends with ProtocolError, alone", async (_name, word) => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const { say } = await come(lab);
    say(claim);
    await until("its arrival", () => lab.arrived.length === 1);
    say(word);
    await until("its end", () => lab.arrived[0]!.closes.length === 1);
    expect(lab.arrived[0]!.closes).toEqual([expect.objectContaining({ code: "ERR_TINDERBOX_PROTOCOL" })]);
    expect(lab.arrived[0]!.told).toEqual([]);
    await expectOpen(lab);
  });

  test("is asked about once, however often it claims before that is decided", async () => {
    const lab = await open();
    let asked = 0;
    lab.gate.expect(lab.ticket, () => {
      asked++;
      return new Promise(() => undefined);
    });
    const { secured, say } = await come(lab);
    say(claim);
    say(["claim", { instance: "i-2", identity: null, phases: {} }]);
    const seen = watch(secured.socket);
    await until("the end", seen.closed, { within: 3_000 });
    expect(asked).toBe(1);
  });

  test("and is gone before that is decided is told to its admission as gone", async () => {
    const lab = await open();
    const { promise, resolve } = Promise.withResolvers<void>();
    let asked = false;
    lab.gate.expect(lab.ticket, async (said) => {
      asked = true;
      await promise;
      return lab.admit(said);
    });
    const { secured, say } = await come(lab);
    say(claim);
    await until("the question", () => asked);
    // A word that there is not ends it at once, decision or not.
    say(["beat"]);
    const seen = watch(secured.socket);
    await until("the end", seen.closed, { within: 3_000 });
    resolve();
    await until("its end", () => lab.arrived[0]?.closes.length === 1);
    expect(lab.arrived[0]!.guest).toBeUndefined();
  });

  test("may claim __proto__ for what it likes: it is data", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const { secured } = await come(lab);
    const text = '["claim",{"instance":"i","identity":null,"phases":{"__proto__":1},"__proto__":{"x":1}}]';
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    secured.socket.write(dataFrame(Buffer.concat([length, Buffer.from(text)]), undefined));
    await until("its arrival", () => lab.arrived.length === 1);
    expect(Object.entries(lab.arrived[0]!.claim.phases)).toEqual([["__proto__", 1]]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

test("strangers who stay outside are bounded, and do not keep a machine out", async () => {
  const lab = await open();
  lab.gate.expect(lab.ticket, lab.admit);
  // 64 and four for the ticket.
  const seen = Array.from({ length: 100 }, () => watch(connect(target(lab.gate.address))));
  await until("the first to be gone", () => seen.filter(({ closed }) => closed()).length === 32);
  expect(seen.slice(0, 16).every(({ closed }) => closed())).toBe(true);
  const host = await enrol(lab.machineOptions(lab.gate.address));
  host.close();
  expect(lab.arrived).toHaveLength(1);
});
