/** Several processes with one store in one test: each has its own clock and its own way to the store, and time is the test's. */
import { setImmediate } from "node:timers/promises";
import { StoreError } from "../../src/errors.ts";
import type { Clock, Timer } from "../../src/ports/clock.ts";
import type { StoreDriver, StoredObject } from "../../src/ports/store.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { Leases } from "../../src/store/leases.ts";
import { leasePrefix } from "../../src/store/lease-record.ts";
import { Requests } from "../../src/store/requests.ts";
import { FakeClock } from "../harness/fake-clock.ts";

export interface Wire {
  /** Milliseconds on the way to the store, and back. */
  readonly there?: number;
  readonly back?: number;
  /** What does not come: the request never arrives, or its answer never does. The driver gives up after a while. */
  readonly lose?: "request" | "reply";
  /** The store fails at once: before or after it has done it. `maybe` is what the driver says of it. */
  readonly fail?: { readonly done: boolean; readonly maybe: boolean; readonly transient?: boolean };
  /** The driver hears nothing, and heeds no signal either. */
  readonly hang?: boolean;
  /** It is done, and then refused: what a second try by a client's SDK meets. */
  readonly refuse?: boolean;
}

export interface Wired {
  readonly kind: "get" | "put";
  readonly key: string;
  /** What is to be written. */
  readonly record: Readonly<Record<string, unknown>> | undefined;
}

const driverDeadlineMs = 5_000;

/** A process's view of time: it may run at another pace, its date may jump, and while it is stopped no timer fires. */
export class NodeClock implements Clock {
  readonly #true: Clock;
  readonly rate: number;
  wallOffset = 0;
  stopped = false;
  #late: (() => void)[] = [];

  constructor(trueClock: Clock, rate = 1) {
    this.#true = trueClock;
    this.rate = rate;
  }

  now(): number {
    return this.#true.now() * this.rate;
  }

  wall(): number {
    return this.#true.wall() + this.wallOffset;
  }

  timer(delayMs: number, fire: () => void): Timer {
    let cancelled = false;
    const timer = this.#true.timer(delayMs / this.rate, () => this.do(() => cancelled || fire()));
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
      hold: (alive) => timer.hold(alive),
    };
  }

  /** At once, or when it goes on. */
  do(act: () => void): void {
    if (this.stopped) this.#late.push(act);
    else act();
  }

  stop(): void {
    this.stopped = true;
  }

  go(): void {
    this.stopped = false;
    for (const act of this.#late.splice(0)) this.do(act);
  }
}

export class Node {
  readonly clock: NodeClock;
  readonly requests: Requests;
  readonly leases: Leases;
  /** What happens to each request of this process. */
  wire: (wired: Wired) => Wire | undefined = () => undefined;
  /** Requests as they were made. */
  readonly log: Wired[] = [];
  readonly #world: World;

  constructor(world: World, name: string, rate?: number) {
    this.#world = world;
    this.clock = new NodeClock(world.clock, rate);
    this.requests = new Requests({ driver: this.#driver(), clock: this.clock, random: world.random });
    this.leases = new Leases(this.requests, { holder: name });
  }

  puts(): number {
    return this.log.filter(({ kind }) => kind === "put").length;
  }

  #driver(): StoreDriver {
    const { server } = this.#world;
    return {
      ...server,
      get: (key, options = {}) =>
        this.#request({ kind: "get", key, record: undefined }, options.signal, async () => {
          const found = await server.get(key, { ...options, signal: undefined });
          return this.#hinted(found);
        }),
      put: (key, body, options = {}) => {
        const record = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
        const copy = body.slice();
        return this.#request({ kind: "put", key, record }, options.signal, async (wire) => {
          const outcome = await server.put(key, copy, { ...options, signal: undefined });
          if (outcome !== "lost") this.#world.landed(key, record);
          return wire?.refuse ? "lost" : outcome;
        });
      },
    };
  }

  #hinted(found: StoredObject | "unchanged" | undefined): StoredObject | "unchanged" | undefined {
    if (!found || found === "unchanged") return found;
    return { ...found, ageMs: this.#world.hint(found.ageMs ?? 0) };
  }

  #request<T>(wired: Wired, signal: AbortSignal | undefined, act: (wire: Wire | undefined) => Promise<T>): Promise<T> {
    this.log.push(wired);
    const wire = this.wire(wired);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (what: string, maybe = wired.kind === "put", transient = true): void =>
      this.clock.do(() => reject(new StoreError(`Cannot reach it: ${what}`, { store: "test:", maybe, transient })));
    const later = (ms: number | undefined, then: () => void): void => {
      if (ms) this.#world.clock.timer(ms, then);
      else then();
    };
    if (wire?.hang) return promise;
    const deadline = this.#world.clock.timer(driverDeadlineMs, () => fail("no answer"));
    const abort = (): void => fail("aborted");
    signal?.addEventListener("abort", abort, { once: true });
    const over = (): void => {
      deadline.cancel();
      signal?.removeEventListener("abort", abort);
    };
    void promise.then(over, over);
    if (wire?.lose === "request") return promise;
    later(wire?.there, () => {
      if (wire?.fail && !wire.fail.done) return fail("before", wire.fail.maybe, wire.fail.transient);
      void act(wire).then(
        (answer) => {
          if (wire?.fail) fail("after", wire.fail.maybe, wire.fail.transient);
          else if (wire?.lose !== "reply") later(wire?.back, () => this.clock.do(() => resolve(answer)));
        },
        (error: unknown) => this.clock.do(() => reject(error as Error)),
      );
    });
    return promise;
  }
}

export class World {
  readonly clock = new FakeClock();
  readonly server: StoreDriver;
  /** The store's own clock, for its hints. */
  readonly serverClock: NodeClock;
  hint: (ageMs: number) => number | undefined = (ageMs) => ageMs;
  readonly random: () => number;
  /** Records of leases in the order in which they were written. */
  readonly written: { readonly key: string; readonly record: Readonly<Record<string, unknown>> }[] = [];

  constructor(random: () => number = () => 0.5) {
    this.random = random;
    this.serverClock = new NodeClock(this.clock);
    this.server = memoryDriver({ clock: this.serverClock });
  }

  node(name: string, rate?: number): Node {
    return new Node(this, name, rate);
  }

  landed(key: string, record: Readonly<Record<string, unknown>>): void {
    this.written.push({ key, record });
  }

  /** What is kept for a lease. */
  async record(key: string): Promise<Record<string, unknown> | undefined> {
    const found = await this.server.get(leasePrefix + key);
    return found && found !== "unchanged"
      ? (JSON.parse(Buffer.from(found.body).toString()) as Record<string, unknown>)
      : undefined;
  }

  async put(key: string, text: string): Promise<void> {
    await this.server.put(leasePrefix + key, Buffer.from(text));
  }

  /** Lets time pass; after each timer everybody does what can be done without waiting for another. */
  async pass(ms: number, each: () => void = () => undefined): Promise<void> {
    const end = this.clock.now() + ms;
    await settle();
    for (;;) {
      each();
      const { nextAt } = this.clock;
      if (nextAt > end) break;
      this.clock.advance(Math.max(0, nextAt - this.clock.now()));
      await settle();
    }
    this.clock.advance(end - this.clock.now());
  }

  /** Lets time pass until the promise has settled, and gives what it settled as. */
  async until<T>(promise: Promise<T>, withinMs = 600_000): Promise<T> {
    const begun = this.clock.now();
    let over = false;
    promise.catch(() => undefined).finally(() => (over = true));
    for (await settle(); !over; await settle()) {
      const { nextAt } = this.clock;
      if (nextAt > begun + withinMs) throw new Error("Cannot see the promise settle: no timer leads to it");
      this.clock.advance(Math.max(0, nextAt - this.clock.now()));
    }
    return promise;
  }
}

/** Everything that waits for nothing but its turn has had it. */
export async function settle(): Promise<void> {
  await setImmediate();
}

/** Whether a lease passes its check at this moment. */
export function passes(lease: { check(): void }): boolean {
  try {
    lease.check();
    return true;
  } catch {
    return false;
  }
}

/** Mulberry32: the same seed gives the same numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
