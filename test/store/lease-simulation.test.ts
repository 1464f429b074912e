import { describe, expect, test } from "vitest";
import { StoreError } from "../../src/errors.ts";
import type { Lease } from "../../src/store/lease.ts";
import { type Node, type Wire, World, passes, randomNumbers } from "./lease-world.ts";

/** How a run differs from the others. */
interface Weather {
  /** Clocks run this much faster or slower, at most. */
  readonly drift: number;
  /** Of a hundred requests, how many meet a fault. */
  readonly faults: number;
}

interface Outcome {
  readonly acquired: number;
  readonly stale: number;
  readonly lost: number;
  readonly takenOver: number;
}

/** A register that checks tokens, as everything has to that is written to under a lease. */
class Register {
  highest = 0;
  stale = 0;
  readonly accepted: number[] = [];

  write(token: number): void {
    if (token < this.highest) this.stale++;
    else this.accepted.push((this.highest = token));
  }
}

async function simulate(seed: number, { drift, faults }: Weather): Promise<Outcome> {
  const random = randomNumbers(seed);
  const between = (least: number, most: number): number => least + random() * (most - least);
  const world = new World(random);
  world.hint = (age) => (random() < 0.3 ? undefined : random() < 0.5 ? age : between(0, 20_000));
  const register = new Register();
  const leases: Lease[] = [];
  /** What must never be. */
  const broken = new Set<string>();
  let [lost, takenOver, made, over] = [0, 0, 0, false];
  const cut = new Set<Node>();
  const crashed = new Set<Node>();
  const alive = (): Node[] => nodes.filter((node) => !crashed.has(node));

  /** Waits by the node's own clock, so that it does nothing while it is stopped. */
  const rest = (node: Node, ms: number): Promise<void> =>
    new Promise((resolve) => void node.clock.timer(ms, () => crashed.has(node) || resolve()));

  const weather = (node: Node): Wire | undefined => {
    if (crashed.has(node)) return { hang: true };
    const delays = { there: between(0, 60), back: between(0, 60) };
    if (cut.has(node)) return random() < 0.5 ? { lose: "request" } : { lose: "reply" };
    if (over || random() * 100 > faults) return delays;
    const kinds: Wire[] = [
      { ...delays, lose: "request" },
      { ...delays, lose: "reply" },
      { ...delays, refuse: true },
      { ...delays, fail: { done: true, maybe: true, transient: true } },
      { ...delays, fail: { done: false, maybe: true, transient: true } },
      { ...delays, fail: { done: false, maybe: false, transient: true } },
      { there: between(500, 8_000), back: 10 },
      { there: 10, back: between(500, 4_000) },
    ];
    return kinds[Math.floor(random() * kinds.length)];
  };

  const work = async (node: Node, lease: Lease): Promise<void> => {
    if (leases.some(({ token }) => token >= lease.token)) broken.add(`token ${lease.token} came late`);
    leases.push(lease);
    const until = node.clock.now() + between(100, 6_000);
    while (node.clock.now() < until) {
      await rest(node, between(10, 400));
      if (!passes(lease)) break;
      const { token } = lease;
      // On its way while the lease may be lost: what the token is for.
      const late = random() < 0.3 ? between(0, 5_000) : 0;
      if (late > 0) world.clock.timer(late, () => register.write(token));
      else {
        // Who is sure to hold it, and writes at once, is never late.
        if (token < register.highest) broken.add(`a write with ${token} after ${register.highest}`);
        register.write(token);
      }
    }
    if (!passes(lease)) {
      lost++;
      if (!lease.signal.aborted) broken.add(`${lease.token} is lost without a signal`);
    }
    if (random() < 0.8) await lease.release();
  };

  const live = async (node: Node): Promise<void> => {
    while (!over) {
      const options = { ttl: Math.round(between(500, 3_000)) };
      const how = random();
      try {
        if (how < 0.4) await work(node, await node.leases.lease("job", options));
        else if (how < 0.7)
          await work(node, await node.leases.lock("job", { ...options, timeout: between(1_000, 20_000) }));
        else await node.leases.elect("job", (lease) => work(node, lease), options);
      } catch (error) {
        if (!StoreError.is(error)) broken.add(String(error));
      }
      await rest(node, between(0, 1_000));
    }
  };

  const born = (): Node => {
    const node = world.node(`n${made++}`, 1 + between(-drift, drift));
    node.wire = () => weather(node);
    return node;
  };
  const nodes = Array.from({ length: 4 }, born);
  for (const node of nodes) void live(node);

  const check = (): void => {
    const holding = leases.filter((lease) => !lease.signal.aborted && passes(lease));
    if (holding.length > 1) broken.add(`${holding.map(({ token }) => token).join(" and ")} are held at once`);
  };

  for (let step = 0; step < 60; step++) {
    const living = alive();
    const node = living[Math.floor(random() * living.length)]!;
    const what = random();
    if (what < 0.25) node.clock.stop();
    else if (what < 0.45) cut.add(node);
    else if (what < 0.5) {
      crashed.add(node);
      node.clock.stop();
      const next = born();
      nodes.push(next);
      void live(next);
    } else if (what < 0.6) node.clock.wallOffset = between(-1e8, 1e8);
    else if (what < 0.65) world.serverClock.wallOffset = between(-1e8, 1e8);
    else {
      for (const each of living) each.clock.go();
      cut.clear();
    }
    await world.pass(between(50, 3_000), check);
  }

  // Whatever has happened: when it is over, somebody gets it.
  for (const each of alive()) each.clock.go();
  cut.clear();
  over = true;
  await world.pass(10_000, check);
  await world.until(Promise.all(alive().map(({ leases: each }) => each.close())));
  const last = world.node("last");
  const lease = await world.until(last.leases.lock("job"), 60_000);
  expect(passes(lease)).toBe(true);
  await world.until(last.leases.close());

  const records = world.written.map(({ record }) => record as { token: number; holder: string | null; beat: string });
  // A new token is one more; under an old one only its own holder writes.
  const wrong = records.filter(({ token, holder }, index) => {
    const before = records[index - 1] ?? { token: 0, holder: null };
    if (token > before.token && before.holder !== null) takenOver++;
    return token === before.token ? holder !== null && holder !== before.holder : token !== before.token + 1;
  });
  expect([...broken, ...wrong]).toEqual([]);
  expect(new Set(records.map(({ beat }) => beat)).size).toBe(records.length);
  expect(register.accepted).toEqual(register.accepted.toSorted((left, right) => left - right));
  return { acquired: leases.length, stale: register.stale, lost, takenOver };
}

const seeds = Array.from({ length: 48 }, (_, index) => index + 1);
const total = { acquired: 0, stale: 0, lost: 0, takenOver: 0 };

describe("with processes that stop, partitions, lost answers, and requests that come late", () => {
  test.each(seeds)("there is one holder at a time, and tokens only grow: seed %i", async (seed) => {
    const weather = { drift: seed % 3 === 0 ? 0.05 : 0, faults: [0, 10, 40][seed % 3]! };
    const outcome = await simulate(seed, weather);
    expect(outcome.acquired).toBeGreaterThan(3);
    for (const name of Object.keys(total) as (keyof Outcome)[]) total[name] += outcome[name];
  });

  test("all of that did happen in these runs", () => {
    expect(total.acquired).toBeGreaterThan(1_000);
    expect(total.lost).toBeGreaterThan(50);
    expect(total.takenOver).toBeGreaterThan(50);
    expect(total.stale).toBeGreaterThan(20);
  });
});
