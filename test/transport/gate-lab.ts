/** A gate and machines that come in at it, over real sockets; what is between them can be cut, held up and counted. */
import { randomBytes } from "node:crypto";
import { type Socket, type AddressInfo, connect, createServer } from "node:net";
import { systemClock } from "../../src/clock.ts";
import type { Admission, Claim, Gate, Grant, Guest } from "../../src/ports/gate.ts";
import type { Connection } from "../../src/ports/transport.ts";
import { type GateOptions, openGate } from "../../src/transport/gate.ts";
import { type EnrolOptions, type Host, enrol } from "../../src/transport/gate-machine.ts";
import { End } from "../conformance/transport.ts";
import { until } from "../harness/until.ts";

export type Way = "machine" | "parent";
/** Who dials. */
export const ways: readonly Way[] = ["machine", "parent"];

/** A machine as its parent has it, with all that it was told. */
export class Arrived implements Admission {
  readonly grant: Grant;
  readonly claim: Claim;
  readonly told: unknown[][] = [];
  readonly connections: Connection[] = [];
  readonly closes: (Error | undefined)[] = [];
  guest: Guest | undefined;

  constructor(claim: Claim, grant: Partial<Grant> = {}) {
    this.claim = claim;
    this.grant = {
      runner: "pool-1",
      token: randomBytes(32).toString("base64url"),
      env: { PATH: "/usr/bin" },
      flags: ["--max-old-space-size=512"],
      onParentLoss: "kill",
      windowMs: 5_000,
      ...grant,
    };
  }
  attached(guest: Guest): void {
    this.guest = guest;
  }
  accept(connection: Connection): void {
    this.connections.push(connection);
  }
  beat(): void {
    this.told.push(["beat"]);
  }
  output(stream: string, line: string): void {
    this.told.push(["output", stream, line]);
  }
  exited(exit: object): void {
    this.told.push(["exited", exit]);
  }
  notice(kind: string, at: number): void {
    this.told.push(["notice", kind, at]);
  }
  closed(error?: Error): void {
    this.closes.push(error);
  }
}

/** What a machine was told. */
export class Machine {
  readonly host: Host;
  readonly told: string[] = [];
  readonly closes: (Error | undefined)[] = [];
  drains = 0;

  constructor(host: Host) {
    this.host = host;
    host.attach({
      ping: () => void this.told.push("ping"),
      kill: () => void this.told.push("kill"),
      release: () => void this.told.push("release"),
      drain: () => void this.drains++,
      closed: (error) => void this.closes.push(error),
    });
  }
}

/** Between a dialler and a listener: what passes can be cut and held up. */
export class Proxy {
  address = "";
  /** Links through it so far. */
  links = 0;
  /** Bytes of the present link, from who dialled and to them. */
  passed = { there: 0, back: 0 };
  /** Cuts the next link when so many bytes have passed in this direction; once. */
  cutAt: { readonly direction: "there" | "back"; readonly bytes: number } | undefined;
  /** A dark network: nothing passes, nobody is told. */
  #dark = false;
  /** Refuses whoever comes. */
  refusing = false;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #server;

  constructor(target: () => string) {
    this.#server = createServer((near) => {
      near.on("error", () => undefined);
      if (this.refusing) return void near.destroy();
      this.links++;
      const [host, port] = target().split(":");
      const far = connect({ host: host!, port: Number(port), noDelay: true });
      const pair = [near, far] as const;
      this.#pairs.add(pair);
      this.passed = { there: 0, back: 0 };
      const passed = this.passed;
      far.on("error", () => undefined);
      if (this.#dark) for (const socket of pair) socket.pause();
      const pump = (from: Socket, to: Socket, direction: "there" | "back"): void => {
        from.on("data", (chunk: Buffer) => {
          const { cutAt } = this;
          const left = cutAt?.direction === direction ? cutAt.bytes - passed[direction] : Infinity;
          passed[direction] += Math.min(left, chunk.length);
          if (!to.destroyed) to.write(chunk.subarray(0, Math.min(left, chunk.length)));
          if (left > chunk.length) return;
          this.cutAt = undefined;
          // What was let through still arrives: the link breaks behind it.
          to.end();
          from.destroy();
        });
      };
      pump(near, far, "there");
      pump(far, near, "back");
      for (const socket of pair) {
        socket.once("close", () => {
          this.#pairs.delete(pair);
          for (const other of pair) other.destroy();
        });
      }
    });
  }
  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }
  get present(): number {
    return this.#pairs.size;
  }
  /** The links there are pass nothing any more, and do not end: as when something on the way has forgotten them. */
  forget(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }
  set dark(dark: boolean) {
    this.#dark = dark;
    for (const pair of this.#pairs) {
      for (const socket of pair) {
        if (dark) socket.pause();
        else socket.resume();
      }
    }
  }
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }
}

/** A port on which nobody listens at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface InOptions {
  readonly way?: Way;
  readonly gate?: Partial<GateOptions>;
  readonly machine?: Partial<EnrolOptions>;
  readonly grant?: Partial<Grant>;
}

/** Closes what it has made. */
export class GateLab {
  readonly ticket: Buffer = randomBytes(32);
  readonly arrived: Arrived[] = [];
  readonly #last: (() => unknown)[] = [];
  gate!: Gate;

  static async open(options: Partial<GateOptions> = {}): Promise<GateLab> {
    const lab = new GateLab();
    lab.gate = await openGate({ clock: systemClock, host: "127.0.0.1", listen: { host: "127.0.0.1" }, ...options });
    lab.finally(() => lab.gate.close());
    return lab;
  }

  finally(close: () => unknown): void {
    this.#last.push(close);
  }

  readonly admit = (claim: Claim, grant?: Partial<Grant>): Arrived => {
    const arrived = new Arrived(claim, grant);
    this.arrived.push(arrived);
    return arrived;
  };

  /** What a machine is started with, for an address. */
  machineOptions(address: string, options: Partial<EnrolOptions> = {}): EnrolOptions {
    return {
      clock: systemClock,
      addresses: [address],
      fingerprint: this.gate.fingerprint,
      ticket: this.ticket,
      claim: { instance: "i-1", identity: undefined, phases: { booted: 1.5 } },
      withinMs: 10_000,
      ...options,
    };
  }

  async proxy(target: () => string): Promise<Proxy> {
    const proxy = await new Proxy(target).open();
    this.finally(() => proxy.close());
    return proxy;
  }

  /** A machine that has come in through a proxy. */
  async machine(options: InOptions = {}): Promise<{ machine: Machine; arrived: Arrived; proxy: Proxy }> {
    const { way = "machine", grant } = options;
    const number = this.arrived.length;
    let proxy: Proxy;
    let host: Host;
    if (way === "machine") {
      proxy = await this.proxy(() => this.gate.address);
      const stop = this.gate.expect(this.ticket, (claim) => this.admit(claim, grant));
      host = await enrol(this.machineOptions(proxy.address, options.machine));
      stop();
    } else {
      const port = await freePort();
      proxy = await this.proxy(() => `127.0.0.1:${port}`);
      const coming = enrol({
        ...this.machineOptions("", options.machine),
        addresses: [],
        listen: { port, host: "127.0.0.1" },
      });
      await this.gate.dial(proxy.address, this.ticket, (claim) => this.admit(claim, grant));
      host = await coming;
    }
    const arrived = await until("the machine's arrival", () => this.arrived[number]);
    // Before the proxy is closed: what says goodbye over no link takes the gate's patience.
    this.finally(async () => {
      host.close();
      await until("its end", () => arrived.closes.length > 0, { within: 1_000, every: 2 }).catch(() => undefined);
    });
    return { machine: new Machine(host), arrived, proxy };
  }

  /** A data connection of that machine: both ends, attached. */
  async data(machine: Machine, arrived: Arrived): Promise<{ machine: End; parent: End }> {
    const number = arrived.connections.length;
    const end = new End(await machine.host.data()).attach();
    const connection = await until("the data connection", () => arrived.connections[number], { every: 2 });
    return { machine: end, parent: new End(connection).attach() };
  }

  async close(): Promise<void> {
    for (const close of this.#last.toReversed()) await close();
  }
}
