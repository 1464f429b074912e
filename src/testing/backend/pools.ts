/** The backend under a pool: what its users see of it. */
import assert from "node:assert/strict";
import { systemClock } from "../../clock.ts";
import { AbortError, RunnerLostError } from "../../errors.ts";
import { Events } from "../../events/index.ts";
import type { CallOptions } from "../../pool/call.ts";
import { Pool } from "../../pool/handle.ts";
import type { PoolOptions } from "../../pool/options.ts";
import { resolveRetries } from "../../pool/retries.ts";
import { settled, until } from "../until.ts";
import { codeOf } from "./code.ts";
import type { BackendCase, BackendSubject } from "./subject.ts";

class OwnPool {
  readonly pool: Pool;
  readonly events = new Events();
  readonly #endMs: number;
  readonly #bootMs: number;

  constructor(subject: BackendSubject, options: PoolOptions) {
    const { backend, limits } = subject;
    this.#endMs = limits.endMs;
    this.#bootMs = limits.bootMs;
    const nothing = (): void => undefined;
    const host = { clock: systemClock, events: this.events, entry: null, live: nothing, nested: nothing };
    this.pool = new Pool(
      "conformance",
      { bootTimeout: limits.bootMs, processes: 1, ...options },
      {
        ...host,
        defaults: () => ({}),
        fallback: () => backend,
        override: () => undefined,
        started: nothing,
        running: nothing,
      },
    );
    subject.later(() => this.pool.close({ timeout: 0 }));
  }

  /** Starts a function of the context, given as JavaScript. */
  start(text: string, options: Partial<CallOptions> = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    promise.catch(() => undefined);
    const fixed = { name: "case", timeoutMs: Infinity, queueTimeoutMs: Infinity, idempotent: false, priority: 0 };
    const open = { signal: undefined, key: undefined, node: undefined, onProgress: undefined };
    this.pool.submit({
      captured: codeOf(text),
      mode: "plain",
      args: undefined,
      trace: undefined,
      options: { ...fixed, ...open, retries: resolveRetries(undefined, () => ""), ...options },
      resolve,
      reject,
    });
    return promise;
  }

  run(text: string, options?: Partial<CallOptions>): Promise<unknown> {
    return settled("the result of a call", this.#bootMs + this.#endMs, this.start(text, options));
  }

  /** Starts what passes one value to `context.progress`, and gives that. */
  async word(
    text: string,
    options: Partial<CallOptions> = {},
  ): Promise<{ readonly word: unknown; end: Promise<unknown> }> {
    const words: unknown[] = [];
    const end = this.start(text, { ...options, onProgress: (value) => void words.push(value) });
    await until("a word of a call", this.#bootMs, () => words.length > 0);
    return { word: words[0], end };
  }

  see(what: string, look: (stats: ReturnType<Pool["stats"]>) => boolean): Promise<true> {
    return until(what, this.#bootMs, () => look(this.pool.stats())) as Promise<true>;
  }
}

/** Runs until it is cancelled. */
const waits = `({ signal, progress, runner }) => {
  progress([process.pid, runner.id]);
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve("aborted")));
}`;
const fails = (promise: Promise<unknown>, ms: number): Promise<unknown> =>
  settled(
    "a call fail",
    ms,
    promise.then(
      () => assert.fail("it did not fail"),
      (error: unknown) => error,
    ),
  );

export const poolCases: readonly BackendCase[] = [
  {
    name: "a pool: calls give values and errors, and its runners take more than one after another",
    async run(subject) {
      const own = new OwnPool(subject, { max: 1 });
      for (let call = 0; call < 5; call++) assert.equal(await own.run(`() => ${call}`), call);
      const error = await fails(own.start(`() => { throw new RangeError("no"); }`), subject.limits.endMs);
      assert.ok(error instanceof RangeError && error.message === "no");
      assert.deepEqual(own.pool.stats().boots, { ok: 1, failed: 0 });
      assert.equal(await own.run(`({ runner }) => runner.id`), "conformance-1");
    },
  },
  {
    name: "a pool: concurrency is how many calls one runner has at a time",
    async run(subject) {
      const own = new OwnPool(subject, { max: 1, concurrency: 3 });
      const calls = [1, 2, 3, 4].map(() => own.start(waits));
      await own.see("three calls on one runner", ({ slots }) => slots.busy === 3);
      const { runners, queued } = own.pool.stats();
      assert.deepEqual([runners.ready, queued], [1, 1]);
      await own.pool.close({ timeout: 0 });
      await Promise.all(calls.map((call) => fails(call, subject.limits.endMs)));
    },
  },
  {
    name: "a pool: it grows to max, and each runner is a machine of its own",
    async run(subject) {
      const own = new OwnPool(subject, { max: 3 });
      const machines = new Set<string>();
      own.events.on("runner.ready", ({ machine }) => void machines.add(machine));
      const calls = [1, 2, 3].map(() => own.start(waits));
      await own.see("three runners", ({ slots }) => slots.busy === 3);
      assert.equal(machines.size, 3);
      await own.pool.close({ timeout: 0 });
      await Promise.all(calls.map((call) => fails(call, subject.limits.endMs)));
      if (subject.made.isAlive) for (const machine of machines) await subject.vanishes(machine);
    },
  },
  {
    name: "a pool: of several executors one dies alone, and another comes for it",
    async run(subject) {
      const own = new OwnPool(subject, { max: 1, processes: 2 });
      const gone: string[] = [];
      own.events.on("runner.gone", ({ runner }) => void gone.push(runner));
      const controller = new AbortController();
      const stays = await own.word(waits, { signal: controller.signal });
      const dies = await own.word(`({ progress }) => {
        progress([process.pid]);
        setTimeout(() => process.exit(7), 100);
        return new Promise(() => {});
      }`);
      const [pid] = stays.word as [number];
      assert.notEqual((dies.word as [number])[0], pid, "both are in one process");
      const error = await fails(dies.end, subject.limits.endMs);
      assert.ok(error instanceof RunnerLostError, String(error));
      assert.deepEqual([error.exitCode, error.scope], [7, "process"]);
      assert.notEqual(await own.run("() => process.pid"), pid);
      assert.deepEqual([gone, own.pool.stats().slots.busy, own.pool.stats().boots.ok], [[], 1, 1]);
      controller.abort();
      await fails(stays.end, subject.limits.endMs);
    },
  },
  {
    name: "a pool: a call that is aborted ends, and its runner goes on",
    async run(subject) {
      const own = new OwnPool(subject, { max: 1 });
      const controller = new AbortController();
      const { end } = await own.word(waits, { signal: controller.signal });
      controller.abort(new Error("enough"));
      assert.ok((await fails(end, subject.limits.endMs)) instanceof AbortError);
      assert.equal(await own.run("() => 1"), 1);
      assert.equal(own.pool.stats().boots.ok, 1);
    },
  },
  {
    name: "a pool: a call whose runner is lost fails, or is made again on another where that is allowed",
    async run(subject) {
      const own = new OwnPool(subject, { max: 1 });
      const error = await fails(own.start(`() => process.exit(9)`), subject.limits.bootMs);
      assert.ok(error instanceof RunnerLostError, String(error));
      assert.equal(error.exitCode, 9);
      const again = `({ runner }) => runner.attempt === 0 ? process.kill(process.pid, "SIGKILL") : runner.attempt`;
      assert.equal(await own.run(again, { idempotent: true }), 1);
    },
  },
  {
    name: "a pool: a runner that is idle for long enough goes, and a call brings another",
    async run(subject) {
      const own = new OwnPool(subject, { max: 1, idle: 100 });
      assert.equal(await own.run("() => 1"), 1);
      await own.see("no runner", ({ runners }) => runners.ready + runners.draining === 0);
      assert.equal(await own.run("() => 2"), 2);
      assert.equal(own.pool.stats().boots.ok, 2);
    },
  },
  {
    name: "a pool: closing lets calls finish, and all machines are gone when it resolves",
    async run(subject) {
      const own = new OwnPool(subject, { max: 2 });
      const machines = new Set<string>();
      own.events.on("runner.ready", ({ machine }) => void machines.add(machine));
      const slow = `({ progress }) => { progress(1); return new Promise((resolve) => setTimeout(() => resolve("done"), 500)); }`;
      const { end } = await own.word(slow);
      await settled("the pool close", subject.limits.endMs, own.pool.close());
      assert.equal(await end, "done");
      assert.equal(machines.size, 1);
      if (subject.made.isAlive)
        for (const machine of machines) await subject.vanishes(machine, undefined, subject.limits.aheadMs);
    },
  },
];
