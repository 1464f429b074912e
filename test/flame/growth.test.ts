/**
 * D5, for every pattern: whatever boots fail, in whatever way, the pool grows to what its queue asks for and everybody is
 * served. The pool is the real one; its machines and its time are fakes.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Duration } from "../../src/duration.ts";
import { Pool } from "../../src/pool/handle.ts";
import type { Machine, MachineExit } from "../../src/ports/backend.ts";
import { fakeHost, request } from "../pool/fake-backend.ts";

/** What becomes of one boot. */
type Fate = "works" | "is refused" | "exits at once" | "never speaks" | "dies when it is ready";

/** Fates of the first boots; the later ones work. */
const pattern = (...fates: readonly Fate[]) => fc.array(fc.constantFrom(...fates), { maxLength: 12, size: "max" });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A machine that was asked for, and of which nobody hears again. */
function silent(id: string): Machine {
  let end!: (exit: MachineExit) => void;
  const exited = new Promise<MachineExit>((resolve) => (end = resolve));
  const kill = (): void => end({ signal: "SIGKILL" });
  return { id, exited, ping() {}, kill, exitNow: kill };
}

interface LabOptions {
  readonly max: number;
  readonly concurrency: number;
  readonly bootTimeout: Duration;
}

function lab(fates: readonly Fate[], options: LabOptions) {
  const host = fakeHost();
  const { backend } = host;
  backend.answers = false;
  let boots = 0;
  const boot = backend.boot.bind(backend);
  backend.boot = async (wanted) => {
    const found = fates[boots++] ?? "works";
    if (found === "is refused") throw new Error("no machine to be had");
    if (found === "never speaks") return silent(wanted.runner);
    const machine = await boot(wanted);
    if (found === "exits at once") machine.kill();
    // Its heart is listened to from then on, and silence would be one more reason for the pool to look again.
    machine.ping = () => (found === "dies when it is ready" ? machine.kill() : wanted.beat());
    return machine;
  };
  const pool = new Pool("media", { ...options, idle: Infinity, lifetime: Infinity }, host);
  return { host, pool, backend };
}

/** `count` callers, and boots that end as `fates` says: does the pool get as large as they need it, and are they served? */
async function check(fates: readonly Fate[], count: number, options: LabOptions): Promise<number> {
  const { host, pool, backend } = lab(fates, options);
  const wanted = Math.min(options.max, Math.ceil(count / options.concurrency));
  let served = 0;
  const told: unknown[] = [];
  // Who is told that no boot works comes again.
  const ask = (): void => {
    const { made, end } = request({ idempotent: true, timeoutMs: Infinity });
    pool.submit(made);
    end.then(
      () => served++,
      (error: unknown) => (told.push(error), ask()),
    );
  };
  for (let index = 0; index < count; index++) ask();
  const size = (): boolean => pool.stats().runners.ready === wanted && pool.stats().runners.booting === 0;
  for (let step = 0; step < 300 && !size(); step++) {
    for (let index = 0; index < 12; index++) await turn();
    if (!size()) host.clock.advance(500);
  }
  const { failed } = pool.stats().boots;
  expect(pool.stats()).toMatchObject({
    runners: { booting: 0, ready: wanted, draining: 0 },
    slots: { busy: Math.min(count, wanted * options.concurrency) },
  });
  for (const error of told) expect(error).toMatchObject({ name: expect.stringMatching(/BootError|RunnerLostError/) });

  // Now they answer, those that wait included.
  backend.answers = true;
  for (const machine of backend.alive) for (const call of machine.calls) machine.answer(call);
  for (let step = 0; step < 100 && served < count; step++) await turn();
  expect([served, pool.stats().queued]).toEqual([count, 0]);

  const closing = pool.close();
  host.clock.advance(100_000);
  await closing;
  expect(backend.alive).toEqual([]);
  return failed;
}

const max = fc.integer({ min: 2, max: 5 });
const concurrency = fc.integer({ min: 1, max: 3 });
const count = fc.integer({ min: 1, max: 12 });

// No further call helps the pool along: callers wait for ever.
test("D5: growth recovers after any pattern of failed boots", async () => {
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(
      pattern("works", "is refused", "exits at once"),
      max,
      concurrency,
      count,
      async (fates, ...[most, slots, calls]) => {
        failed += await check(fates, calls, { max: most, concurrency: slots, bootTimeout: Infinity });
      },
    ),
    { numRuns: 150 },
  );
  expect(failed).toBeGreaterThan(300);
});

test("D5: growth recovers, too, when runners hang, or die as soon as they are ready, and callers lose their patience", async () => {
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(
      pattern("works", "is refused", "exits at once", "never speaks", "dies when it is ready"),
      max,
      concurrency,
      count,
      async (fates, ...[most, slots, calls]) => {
        failed += await check(fates, calls, { max: most, concurrency: slots, bootTimeout: "10s" });
      },
    ),
    { numRuns: 150 },
  );
  expect(failed).toBeGreaterThan(300);
});
