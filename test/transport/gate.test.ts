import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { Connection } from "../../src/ports/transport.ts";
import { openGate } from "../../src/transport/gate.ts";
import { type Host, enrol } from "../../src/transport/gate-machine.ts";
import { type Transport, testTransport } from "../conformance/transport.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { runScript } from "../harness/script.ts";
import { repository } from "../harness/script-folder.ts";
import { until } from "../harness/until.ts";
import { Arrived, GateLab, Machine, freePort, ways } from "./gate-lab.ts";

const before = activeResources();
const labs: GateLab[] = [];
const open = async (...options: Parameters<typeof GateLab.open>): Promise<GateLab> => {
  const lab = await GateLab.open(...options);
  labs.push(lab);
  return lab;
};
const hosts: Host[] = [];
let rejections: unknown[] = [];
const note = (reason: unknown): void => void rejections.push(reason);
beforeEach(() => {
  rejections = [];
  process.on("unhandledRejection", note);
});
afterEach(async () => {
  for (const host of hosts.splice(0)) host.close();
  for (const lab of labs.splice(0)) await lab.close();
  await expectNoResourceLeft(before);
  process.off("unhandledRejection", note);
  if (rejections.length > 0) throw new Error("A promise was rejected that nobody waits for", { cause: rejections });
});

/** Each connection is one of a machine of its own; a closed listener is a ticket that is not expected any more. */
function throughGate(way: "machine" | "parent"): Transport {
  const gates = new Map<string, { ticket: Buffer; fingerprint: string; dial?: (port: number) => Promise<void> }>();
  return {
    async listen(accept) {
      const lab = await open();
      const { gate } = lab;
      const ticket = randomBytes(32);
      const admit = (claim: ConstructorParameters<typeof Arrived>[0]): Arrived => {
        const arrived = new Arrived(claim);
        arrived.accept = (connection: Connection) => accept(connection);
        return arrived;
      };
      let open_ = true;
      const stop = gate.expect(ticket, admit);
      gates.set(gate.address, {
        ticket,
        fingerprint: gate.fingerprint,
        ...(way === "parent"
          ? { dial: (port) => gate.dial(`127.0.0.1:${port}`, ticket, (claim) => (open_ ? admit(claim) : undefined)) }
          : {}),
      });
      return {
        address: gate.address,
        close: () => {
          open_ = false;
          stop();
        },
      };
    },
    async dial(address) {
      const { ticket, fingerprint, dial } = gates.get(address)!;
      const claim = { instance: randomBytes(8).toString("hex"), identity: undefined, phases: {} };
      const common = { clock: systemClock, fingerprint, ticket, claim, withinMs: 1_000 };
      const port = dial ? await freePort() : 0;
      const coming = enrol(
        dial ? { ...common, addresses: [], listen: { port, host: "127.0.0.1" } } : { ...common, addresses: [address] },
      );
      dial?.(port).catch(() => undefined);
      const host = await coming;
      hosts.push(host);
      host.attach({ ping() {}, kill() {}, release() {}, drain() {}, closed() {} });
      return host.data();
    },
  };
}

testTransport("tls, where machines dial", () => throughGate("machine"));
testTransport("tls, where the parent dials", () => throughGate("parent"));

describe.each(ways)("a machine that comes in where the %s dials", (way) => {
  test("is told what it was granted, and both tell each other what happens", async () => {
    const lab = await open();
    const claim = {
      instance: "i-0abc",
      identity: { document: "{}", signature: "c2ln" },
      phases: { launched: 0.5, booted: 12.25 },
    };
    const { machine, arrived } = await lab.machine({ way, machine: { claim } });
    expect(arrived.claim).toEqual({ ...claim, peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    expect(machine.host.grant).toEqual(arrived.grant);
    expect(arrived.guest!.instance).toBe("i-0abc");
    for (const word of ["ping", "kill", "release"] as const) arrived.guest![word]();
    machine.host.beat();
    machine.host.output("stdout", "a line – \u{1f525}");
    machine.host.output("stderr", "");
    // Longer than all of a claim may be.
    const long = "\u{1f525}".repeat(10_000);
    machine.host.output("stdout", long);
    machine.host.notice("spot", 1_767_225_600_000);
    machine.host.exited({ exitCode: 3 });
    machine.host.exited({ signal: "SIGKILL" });
    machine.host.close();
    await until("both ends", () => machine.closes.length === 1 && arrived.closes.length === 1);
    expect(machine.told).toEqual(["ping", "kill", "release"]);
    expect(arrived.told).toEqual([
      ["beat"],
      ["output", "stdout", "a line – \u{1f525}"],
      ["output", "stderr", ""],
      ["output", "stdout", long],
      ["notice", "spot", 1_767_225_600_000],
      ["exited", { exitCode: 3 }],
      ["exited", { signal: "SIGKILL" }],
    ]);
    expect([machine.closes, arrived.closes]).toEqual([[undefined], [undefined]]);
  });

  test("hears what was said before it listened", async () => {
    const lab = await open();
    const port = await freePort();
    const admit = (claim: ConstructorParameters<typeof Arrived>[0]): Arrived => {
      const arrived = lab.admit(claim);
      arrived.attached = (guest) => guest.ping();
      return arrived;
    };
    let host: Host;
    if (way === "machine") {
      lab.gate.expect(lab.ticket, admit);
      host = await enrol(lab.machineOptions(lab.gate.address));
    } else {
      const coming = enrol({ ...lab.machineOptions(""), addresses: [], listen: { port, host: "127.0.0.1" } });
      await lab.gate.dial(`127.0.0.1:${port}`, lab.ticket, admit);
      host = await coming;
    }
    hosts.push(host);
    await lab
      .machine({ way, machine: { ticket: lab.ticket, claim: { instance: "i-2", identity: undefined, phases: {} } } })
      .catch(() => undefined);
    const machine = new Machine(host);
    await until("the ping", () => machine.told.length === 1);
  });

  test("has as many data connections as it wants, all at once", async () => {
    const lab = await open();
    const { machine, arrived } = await lab.machine({ way });
    const streams = await Promise.all(Array.from({ length: 20 }, () => machine.host.data()));
    for (const [index, stream] of streams.entries()) {
      stream.attach({ data() {}, drain() {}, close() {} });
      stream.write(Buffer.from([index]));
    }
    await until("all of them", () => arrived.connections.length === 20);
    const got: number[] = [];
    for (const connection of arrived.connections) {
      connection.attach({ data: (chunk) => void got.push(...chunk), drain() {}, close() {} });
    }
    await until("all bytes", () => got.length === 20);
    expect(got.toSorted((a, b) => a - b)).toEqual(streams.map((_, index) => index));
  });

  test("takes its data connections with it when it leaves", async () => {
    const lab = await open();
    const { machine, arrived } = await lab.machine({ way });
    const data = await lab.data(machine, arrived);
    machine.host.close();
    await until("the ends", () => data.machine.closed && data.parent.closed && arrived.closes.length === 1);
    for (const end of [data.parent, data.machine]) {
      expect(end.closes).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
    }
    await expect(machine.host.data()).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("ends at once, with its data connections, when it is known to be no more", async () => {
    const lab = await open();
    const { machine, arrived, proxy } = await lab.machine({ way });
    const data = await lab.data(machine, arrived);
    proxy.dark = true;
    arrived.guest!.gone();
    await until("the ends", () => arrived.closes.length === 1 && data.parent.closed, { within: 2_000 });
    expect(arrived.closes).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
    expect(data.parent.closes).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
  });

  test("is let go of when the gate closes", async () => {
    const lab = await open();
    const { machine, arrived } = await lab.machine({ way });
    await Promise.all([lab.gate.close(), lab.gate.close()]);
    await until("the end", () => machine.closes.length === 1);
    expect([machine.told, machine.closes, arrived.closes]).toEqual([["release"], [undefined], [undefined]]);
  });

  test("does not hold a gate that closes up when it is out of reach", async () => {
    const lab = await open();
    const { arrived, proxy } = await lab.machine({ way });
    proxy.dark = true;
    const start = performance.now();
    await lab.gate.close();
    expect(performance.now() - start).toBeLessThan(4_500);
    expect(arrived.closes).toEqual([undefined]);
  });

  test("ends alone when it does not keep to the protocol", async () => {
    const lab = await open();
    const { machine, arrived } = await lab.machine({ way });
    // A fault of the parent's own handler is no different from one of the machine's.
    arrived.beat = () => {
      throw new Error("a fault of the handler");
    };
    machine.host.beat();
    await until("the end", () => arrived.closes.length === 1 && machine.closes.length === 1);
    expect(arrived.closes[0]!.message).toBe("a fault of the handler");
    expect(machine.closes).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
  });
});

test("one ticket lets several machines in, each instance once", async () => {
  const lab = await open();
  lab.gate.expect(lab.ticket, lab.admit);
  const machines = await Promise.all(
    ["i-1", "i-2", "i-3"].map((instance) =>
      enrol(lab.machineOptions(lab.gate.address, { claim: { instance, identity: undefined, phases: {} } })),
    ),
  );
  hosts.push(...machines);
  expect(lab.arrived.map(({ claim }) => claim.instance).toSorted()).toEqual(["i-1", "i-2", "i-3"]);
  const again = enrol(lab.machineOptions(lab.gate.address, { withinMs: 1_000 }));
  await expect(again).rejects.toThrow("Cannot enrol: the parent has refused this machine");
  expect(lab.arrived).toHaveLength(3);
});

test("two that claim to be the same instance at once: one of them comes in", async () => {
  const lab = await open();
  let decide = (): void => undefined;
  const decision = new Promise<void>((resolve) => (decide = resolve));
  let asked = 0;
  lab.gate.expect(lab.ticket, async (claim) => {
    asked++;
    await decision;
    return lab.admit(claim);
  });
  const both = [0, 1].map(() => enrol(lab.machineOptions(lab.gate.address, { withinMs: 3_000 })));
  const settled = Promise.allSettled(both);
  await Promise.race(both.map((one) => one.catch(() => undefined)));
  decide();
  const outcomes = await settled;
  for (const outcome of outcomes) if (outcome.status === "fulfilled") hosts.push(outcome.value);
  expect([asked, outcomes.map(({ status }) => status).toSorted()]).toEqual([1, ["fulfilled", "rejected"]]);
});

describe("a machine that is refused", () => {
  test.each([
    ["says no", () => undefined],
    [
      "throws",
      () => {
        throw new Error("not known");
      },
    ],
    ["rejects", () => Promise.reject(new Error("not known"))],
  ])("because enrol %s is told so, and may ask again", async (_name, decide) => {
    const lab = await open();
    let refuse = true;
    lab.gate.expect(lab.ticket, (claim) => (refuse ? decide() : lab.admit(claim)));
    const refused = enrol(lab.machineOptions(lab.gate.address));
    await expect(refused).rejects.toMatchObject({ code: "ECONNREFUSED" });
    refuse = false;
    hosts.push(await enrol(lab.machineOptions(lab.gate.address)));
    expect(lab.arrived).toHaveLength(1);
  });
});

describe("the addresses of a parent", () => {
  test("are tried in turn", async () => {
    const lab = await open();
    lab.gate.expect(lab.ticket, lab.admit);
    const nobody = await freePort();
    hosts.push(await enrol({ ...lab.machineOptions(""), addresses: [`127.0.0.1:${nobody}`, lab.gate.address] }));
    expect(lab.arrived).toHaveLength(1);
  });

  test("may answer later than the machine asks", async () => {
    const lab = await open();
    const port = await freePort();
    const options = lab.machineOptions(`127.0.0.1:${port}`);
    const proxy = await lab.proxy(() => lab.gate.address);
    proxy.refusing = true;
    const coming = enrol({ ...options, addresses: [proxy.address] });
    lab.gate.expect(lab.ticket, lab.admit);
    proxy.refusing = false;
    hosts.push(await coming);
    expect(lab.arrived).toHaveLength(1);
  });

  test("that nobody answers at end in an error with the last reason as its cause, in time", async () => {
    const lab = await open();
    const nobody = await freePort();
    const start = performance.now();
    const error = await enrol(lab.machineOptions(`127.0.0.1:${nobody}`, { withinMs: 700 })).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: "ETIMEDOUT", cause: { code: "ECONNREFUSED" } });
    expect((error as Error).message).toMatch(/^Cannot enrol: .*within 700 ms$/);
    expect(performance.now() - start).toBeLessThan(3_000);
  });

  test.each(["nonsense", "host:", ":80", "host:70000", "host:0", "a:b:1"])("like %j are refused", async (address) => {
    const lab = await open({ listen: false });
    await expect(lab.gate.dial(address, lab.ticket, lab.admit)).rejects.toThrow(
      /^Cannot dial .*: an address is host:port/,
    );
  });
});

describe("a parent that dials", () => {
  test("waits for a machine that does not listen yet", async () => {
    const lab = await open({ listen: false });
    expect(lab.gate.address).toBe("");
    const port = await freePort();
    const dialled = lab.gate.dial(`127.0.0.1:${port}`, lab.ticket, lab.admit);
    const host = await enrol({ ...lab.machineOptions(""), addresses: [], listen: { port, host: "127.0.0.1" } });
    hosts.push(host);
    await dialled;
    expect(lab.arrived).toHaveLength(1);
  });

  test("gives up in time, and when it is told to", async () => {
    const lab = await open({ listen: false });
    const address = `127.0.0.1:${await freePort()}`;
    await expect(lab.gate.dial(address, lab.ticket, lab.admit, { withinMs: 300 })).rejects.toMatchObject({
      code: "ETIMEDOUT",
    });
    const controller = new AbortController();
    const dialled = lab.gate.dial(address, lab.ticket, lab.admit, { signal: controller.signal });
    controller.abort(new Error("not needed any more"));
    await expect(dialled).rejects.toThrow("not needed any more");
    await expect(lab.gate.dial(address, lab.ticket, lab.admit, { signal: controller.signal })).rejects.toThrow(
      "not needed",
    );
    const closing = lab.gate.dial(address, lab.ticket, lab.admit);
    const refused = closing.catch((error: unknown) => error);
    await lab.gate.close();
    expect(await refused).toMatchObject({ code: "ECONNRESET" });
    await expect(lab.gate.dial(address, lab.ticket, lab.admit)).rejects.toThrow(/the gate is closed$/);
  });

  test("hears when it refuses the machine itself", async () => {
    const lab = await open({ listen: false });
    const port = await freePort();
    const coming = enrol({ ...lab.machineOptions(""), addresses: [], listen: { port, host: "127.0.0.1" } });
    const refused = coming.catch((error: unknown) => error);
    await expect(lab.gate.dial(`127.0.0.1:${port}`, lab.ticket, () => undefined)).rejects.toMatchObject({
      code: "ECONNRESET",
    });
    expect(await refused).toMatchObject({ code: "ECONNREFUSED" });
  });
});

test("a decision that comes after its time closes the admission that it gives", async () => {
  // The same with a fake clock would need fake sockets: the deadline is the only thing waited for here.
  const { promise, resolve } = Promise.withResolvers<void>();
  const fast = {
    ...systemClock,
    timer: (ms: number, fire: () => void) => systemClock.timer(ms === 60_000 ? 300 : ms, fire),
  };
  const lab = await open({ clock: fast });
  lab.gate.expect(lab.ticket, async (claim) => {
    await promise;
    return lab.admit(claim);
  });
  await expect(enrol(lab.machineOptions(lab.gate.address))).rejects.toMatchObject({ code: "ECONNREFUSED" });
  resolve();
  await until("the late admission's end", () => lab.arrived[0]?.closes.length === 1);
});

test("a gate listens where it is told, and says so when it cannot", async () => {
  const lab = await open();
  const port = Number(lab.gate.address.split(":")[1]);
  await expect(openGate({ clock: systemClock, listen: { host: "127.0.0.1", port } })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
  const other = await open({ listen: {}, host: "10.0.0.5" });
  expect(other.gate.address).toMatch(/^10\.0\.0\.5:\d+$/);
  expect(other.gate.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(other.gate.fingerprint).not.toBe(lab.gate.fingerprint);
});

test("a ticket has 32 bytes and is expected once", async () => {
  const lab = await open();
  expect(() => lab.gate.expect(Buffer.alloc(31), lab.admit)).toThrow(/^Cannot use a ticket of 31 bytes: it has 32$/);
  await expect(enrol(lab.machineOptions("x:1", { ticket: Buffer.alloc(0) }))).rejects.toThrow(/of 0 bytes/);
  const stop = lab.gate.expect(lab.ticket, lab.admit);
  expect(() => lab.gate.expect(lab.ticket, lab.admit)).toThrow(/^Cannot expect a ticket: it is expected already/);
  stop();
  lab.gate.expect(lab.ticket, lab.admit)();
});

const source = (path: string): string => JSON.stringify(`${repository}/src/${path}`);

test("the process does not stay for a gate, nor for a machine that is in and not held", async () => {
  const { code, stdout, stderr } = await runScript(`
    import { openGate } from ${source("transport/gate.ts")};
    import { enrol } from ${source("transport/gate-machine.ts")};
    import { systemClock as clock } from ${source("clock.ts")};
    const gate = await openGate({ clock, host: "127.0.0.1" });
    const ticket = Buffer.alloc(32, 1);
    const nothing = () => {};
    gate.expect(ticket, () => ({
      grant: { runner: "r", token: "t", env: {}, flags: [], onParentLoss: "kill", windowMs: 5000 },
      attached: nothing, accept: (c) => c.attach({ data: nothing, drain: nothing, close: nothing }), beat: nothing, output: nothing, exited: nothing, notice: nothing, closed: nothing,
    }));
    const host = await enrol({ clock, addresses: [gate.address], fingerprint: gate.fingerprint, ticket, claim: { instance: "i", identity: undefined, phases: {} } });
    host.attach({ ping: nothing, kill: nothing, release: nothing, drain: nothing, closed: nothing });
    const data = await host.data();
    data.attach({ data: nothing, drain: nothing, close: nothing });
    console.log("in");
  `);
  expect([code, stdout, stderr]).toEqual([0, "in\n", ""]);
});
