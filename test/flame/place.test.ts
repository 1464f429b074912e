/** Objects on runners: what becomes of them when runners are lost, pools close, nobody uses them or nobody has them. */
import { appendFileSync, existsSync } from "node:fs";
import {
  AbortError,
  CallTimeoutError,
  type EventMap,
  type PlaceOptions,
  PoolClosedError,
  QueueTimeoutError,
  type Remote,
  RunnerLostError,
  events,
  flame,
  pool,
} from "tinderbox";
import { describe, expect, test } from "vitest";
import { whenTestEnds } from "../harness/hooks.ts";
import { until } from "../harness/until.ts";
import { failure, gone, room } from "./lab.ts";

let pools = 0;
/** A pool of its own, closed when the test ends. */
function ownPool(options: Parameters<typeof pool>[1] = {}): ReturnType<typeof pool> {
  const own = pool(`place-${++pools}`, { max: 2, ...options });
  whenTestEnds(() => own.close());
  return own;
}

function hear<N extends keyof EventMap>(name: N): EventMap[N][] {
  const all: EventMap[N][] = [];
  const off = events.on(name, (event) => void all.push(event));
  whenTestEnds(() => off[Symbol.dispose]());
  return all;
}

const end = (object: AsyncDisposable): Promise<void> => Promise.resolve(object[Symbol.asyncDispose]());

async function passed(ms: number): Promise<void> {
  const from = performance.now();
  await until(`${ms} ms to pass`, () => performance.now() - from >= ms, { every: 5 });
}

/** Writes into a file what becomes of it: `made`, `call <n>`, `disposed`, each with its process. */
class Witness {
  readonly #file: string;
  #count = 0;
  constructor(file: string) {
    this.#file = file;
    this.note("made");
  }
  note(word: string): void {
    appendFileSync(this.#file, `${word}\n`);
  }
  pid(): number {
    return process.pid;
  }
  count(): number {
    return ++this.#count;
  }
  async hold(gate: string): Promise<number> {
    this.note(`hold ${gate.split("/").at(-1)}`);
    while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 5));
    return ++this.#count;
  }
  async *ticks(): AsyncGenerator<number, void, undefined> {
    for (;;) yield ++this.#count;
  }
  fault(): void {
    setImmediate(() => {
      throw new Error("in a later tick");
    });
  }
  exit(): void {
    process.exit(3);
  }
  [Symbol.asyncDispose](): void {
    this.note("disposed");
  }
}

interface Scene {
  readonly object: Remote<Witness>;
  notes(): string[];
  gate(name: string): string;
  open(name: string): void;
}

async function witness(options: PlaceOptions): Promise<Scene> {
  const { path, lines, say } = room();
  const file = path("notes");
  const object = await flame.place(() => new Witness(file), options);
  return { object, notes: () => lines("notes"), gate: path, open: say };
}

describe("when its runner is lost", () => {
  test("a temporary object is lost with it: calls under way and all later ones say so", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own });
    const pid = await object.pid();
    const held = object.hold(scene.gate("go"));
    await until("the call to run", () => scene.notes().includes("hold go"));
    process.kill(pid, "SIGKILL");
    const error = await failure(held);
    expect(error).toBeInstanceOf(RunnerLostError);
    expect(error).toMatchObject({ signal: "SIGKILL", started: true });
    expect(await failure(object.count())).toBe(error);
    await end(object);
    expect(own.stats().slots.busy).toBe(0);
    expect(scene.notes()).toEqual(["made", "hold go"]);
  });

  test("a transient one is made again on another runner, and what was under way is not repeated", async () => {
    const own = ownPool();
    const restarted = hear("placed.restarted");
    const { object, ...scene } = await witness({ pool: own, restart: "transient", name: "phoenix" });
    const pid = await object.pid();
    expect([await object.count(), await object.count()]).toEqual([1, 2]);
    const held = object.hold(scene.gate("go"));
    await until("the call to run", () => scene.notes().includes("hold go"));
    process.kill(pid, "SIGKILL");
    expect(await failure(held)).toBeInstanceOf(RunnerLostError);
    expect(await object.count()).toBe(1);
    expect(await object.pid()).not.toBe(pid);
    expect(scene.notes()).toEqual(["made", "hold go", "made"]);
    expect(restarted).toEqual([
      { pool: own.name, name: "phoenix", runner: `${own.name}-2`, restarts: 1, error: expect.any(RunnerLostError) },
    ]);
    await end(object);
    expect(scene.notes().at(-1)).toBe("disposed");
  });

  test("calls that are made meanwhile wait, for the time that they may take themselves", async () => {
    const own = ownPool();
    const { path, say } = room();
    const gate = path("go");
    const again = path("again");
    say("go");
    const place = (timeout: number) =>
      flame.place(
        async () => {
          while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 5));
          return { pid: () => process.pid, lock: async () => (await import("node:fs")).renameSync(gate, again) };
        },
        { pool: own, restart: "transient", timeout, name: "slow" },
      );
    const [patient, hasty] = [await place(30_000), await place(400)];
    const pids = [await patient.pid(), await hasty.pid()];
    await patient.lock();
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await until(
      "both to be lost",
      () => own.stats().runners.ready === 0 || own.nodes().every(({ id }) => !/-[12]$/.test(id)),
    );
    const waiting = patient.pid();
    const late = await failure(hasty.pid());
    expect(late).toBeInstanceOf(QueueTimeoutError);
    expect(late.message).toMatch(/Cannot call `pid` of placed object "slow": .* longer than 400 ms; raise timeout/);
    expect(late).toMatchObject({ timeoutMs: 400, started: false });
    say("go");
    expect(pids).not.toContain(await waiting);
    await end(patient);
    await end(hasty).catch(() => {});
  });

  test("one that is lost too often stays lost, with the last error", async () => {
    const own = ownPool();
    const restarted = hear("placed.restarted");
    const { object } = await witness({ pool: own, restart: "transient" });
    for (let round = 1; round <= 4; round++) {
      expect(await object.count()).toBe(1);
      expect(await failure(object.exit())).toMatchObject({ exitCode: 3 });
    }
    const last = await failure(object.count());
    expect(last).toBeInstanceOf(RunnerLostError);
    expect(last).toMatchObject({ runner: `${own.name}-4`, exitCode: 3 });
    expect(restarted.map(({ restarts }) => restarts)).toEqual([1, 2, 3]);
    expect(own.stats().slots.busy).toBe(0);
  });

  test("a factory that fails when the object is made again is tried as often, and its error is the last one", async () => {
    const own = ownPool();
    const { path, lines } = room();
    const file = path("tries");
    const object = await flame.place(
      () => {
        const again = existsSync(file);
        appendFileSync(file, "try\n");
        if (again) throw new RangeError("only once");
        return { exit: () => process.exit(1), here: () => "here" };
      },
      { pool: own, restart: "permanent" },
    );
    await failure(object.exit());
    expect(await failure(object.here())).toEqual(new RangeError("only once"));
    expect(lines("tries")).toHaveLength(4);
  });

  test("a runner that goes for its age takes a permanent object along to the next one, after what is under way", async () => {
    const own = ownPool({ lifetime: "1s", drainTimeout: "20s" });
    const restarted = hear("placed.restarted");
    const { object, ...scene } = await witness({ pool: own, restart: "permanent" });
    const pid = await object.pid();
    const held = object.hold(scene.gate("go"));
    const draining = own.name;
    await until("the runner to be too old", () => own.nodes().length === 0);
    const waiting = object.pid();
    scene.open("go");
    expect(await held).toBe(1);
    expect(await waiting).not.toBe(pid);
    expect(scene.notes().slice(0, 4)).toEqual(["made", "hold go", "disposed", "made"]);
    expect(restarted[0]!.error.message).toMatch(/was drained \(lifetime\)/);
    expect(restarted[0]).toMatchObject({ pool: draining, restarts: 1 });
    await end(object);
  });

  test("a transient one is disposed then, and says what would have kept it", async () => {
    const own = ownPool({ lifetime: "1s" });
    const { object, ...scene } = await witness({ pool: own, restart: "transient", name: "old" });
    await until("the end of the object", () => scene.notes().includes("disposed"));
    const error = await failure(object.count());
    expect(error).toBeInstanceOf(RunnerLostError);
    expect(error.message).toBe(
      `Cannot use placed object "old": runner ${own.name}-1 was drained (lifetime); use restart: "permanent" to have it made again elsewhere`,
    );
    await until("the runner to go", () => own.stats().runners.ready === 0);
    expect(scene.notes()).toEqual(["made", "disposed"]);
  });

  test.each([1, 2])("of a runner with %s executors that becomes unwell it is disposed first", async (processes) => {
    const own = ownPool({ processes });
    const { object: lost, ...scene } = await witness({ pool: own, name: "lost" });
    const { object: moved, ...other } = await witness({ pool: own, restart: "transient" });
    const pids = await Promise.all([lost.pid(), moved.pid()]);
    await Promise.all([lost.fault(), moved.fault()]);
    await until("both to be disposed", () => [scene, other].every(({ notes }) => notes().includes("disposed")));
    expect((await failure(lost.count())).message).toMatch(
      /^Cannot use placed object "lost": .* was drained \(unwell\); use restart: "transient"/,
    );
    expect(pids).not.toContain(await moved.pid());
    expect([scene.notes(), other.notes()]).toEqual([
      ["made", "disposed"],
      ["made", "disposed", "made"],
    ]);
    for (const pid of pids) await gone(pid);
    await end(moved);
  });

  test("of two executors only the objects of the one that is lost are concerned", async () => {
    const own = ownPool({ max: 1, processes: 2 });
    const { object: first } = await witness({ pool: own });
    const { object: second } = await witness({ pool: own, restart: "transient" });
    const [pid, other] = [await first.pid(), await second.pid()];
    expect(other).not.toBe(pid);
    process.kill(other, "SIGKILL");
    await gone(other);
    await until("the object to be elsewhere", async () => (await second.pid().catch(() => other)) !== other);
    expect(await first.pid()).toBe(pid);
    await end(first);
    await end(second);
  });
});

describe("idle", () => {
  test("an unused object is disposed and its slot free; the next call makes it again", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own, idle: 100 });
    expect([await object.count(), await object.count()]).toEqual([1, 2]);
    await until("a free slot", () => own.stats().slots.busy === 0);
    expect(scene.notes()).toEqual(["made", "disposed"]);
    expect(await object.count()).toBe(1);
    expect(scene.notes()).toEqual(["made", "disposed", "made"]);
    await end(object);
    expect(scene.notes()).toEqual(["made", "disposed", "made", "disposed"]);
    expect(await failure(object.count())).toMatchObject({ code: "ERR_TINDERBOX_RELEASED" });
  });

  test("a call under way, or a stream that is read, is a use", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own, idle: 50 });
    const held = object.hold(scene.gate("go"));
    const ticks = await object.ticks();
    await ticks.next();
    await passed(200);
    scene.open("go");
    await held;
    await passed(200);
    expect(scene.notes()).toEqual(["made", "hold go"]);
    await ticks.return(undefined);
    await until("the end of the object", () => scene.notes().includes("disposed"));
    await end(object);
  });

  test("a factory that fails then rejects the call, and is tried again by the next one", async () => {
    const own = ownPool();
    const { path, say, lines } = room();
    const [file, bad] = [path("made"), path("bad")];
    const object = await flame.place(
      () => {
        if (existsSync(bad)) throw new RangeError("not now");
        appendFileSync(file, "made\n");
        return { here: () => "here" };
      },
      { pool: own, idle: 50 },
    );
    say("bad");
    await until("a free slot", () => own.stats().slots.busy === 0);
    expect(await failure(object.here())).toBeInstanceOf(RangeError);
    (await import("node:fs")).rmSync(bad);
    expect(await object.here()).toBe("here");
    expect(lines("made")).toHaveLength(2);
    await end(object);
  });
});

test("an object keeps its slot, and its runner from going for idleness, until it is disposed", async () => {
  const own = ownPool({ idle: 50, max: 1 });
  const { object } = await witness({ pool: own });
  const waits = flame(() => process.pid, { pool: own });
  await passed(300);
  expect(own.stats()).toMatchObject({ slots: { busy: 1, free: 0 }, queued: 1, runners: { ready: 1 } });
  const pid = await object.pid();
  await end(object);
  expect(await waits).toBe(pid);
  await gone(pid);
});

describe("key", () => {
  test("the same key gives the same object, which goes with the last of those who have it", async () => {
    const own = ownPool();
    const { path, lines } = room();
    const file = path("notes");
    const place = () => flame.place(() => new Witness(file), { pool: own, key: "one" });
    const [first, second] = await Promise.all([place(), place()]);
    const third = await place();
    expect([await first.count(), await second.count(), await third.count()]).toEqual([1, 2, 3]);
    await end(first);
    await end(first);
    expect(await failure(first.count())).toMatchObject({ code: "ERR_TINDERBOX_RELEASED" });
    await end(second);
    expect(await third.count()).toBe(4);
    expect(lines("notes")).toEqual(["made"]);
    await end(third);
    expect(lines("notes")).toEqual(["made", "disposed"]);
  });

  test("a new one is made when the last one is gone, never beside it", async () => {
    const own = ownPool();
    const { path, lines, hear: heard, say } = room();
    const [file, gate] = [path("notes"), path("go")];
    const place = () =>
      flame.place(
        () => {
          appendFileSync(file, "made\n");
          return {
            here: () => "here",
            async dispose(): Promise<void> {
              appendFileSync(file, "disposing\n");
              while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 5));
              appendFileSync(file, "disposed\n");
            },
          };
        },
        { pool: own, key: "one" },
      );
    const first = await place();
    const ending = end(first);
    await until("the dispose to run", async () => (await heard("notes")).includes("disposing"));
    const next = place();
    await passed(100);
    say("go");
    await ending;
    const second = await next;
    expect(await second.here()).toBe("here");
    expect(lines("notes")).toEqual(["made", "disposing", "disposed", "made"]);
    await end(second);
  });

  test("one that could not be made, or was lost, is forgotten; another pool has its own", async () => {
    const own = ownPool();
    const broken = () => flame.place((): Witness => { throw new RangeError("no"); }, { pool: own, key: "one" }); // prettier-ignore
    const failures = await Promise.all([failure(broken()), failure(broken())]);
    expect(failures[0]).toBeInstanceOf(RangeError);
    expect(failures[1]).toBe(failures[0]);
    const { object: first } = await witness({ pool: own, key: "one" });
    const { object: elsewhere } = await witness({ pool: ownPool(), key: "one" });
    expect([await first.count(), await elsewhere.count()]).toEqual([1, 1]);
    await failure(first.exit());
    const { object: second } = await witness({ pool: own, key: "one" });
    expect(await second.count()).toBe(1);
    await end(second);
    await end(elsewhere);
  });
});

describe("concurrency", () => {
  const counter = (concurrency?: number) => {
    const own = ownPool();
    return flame.place(
      () => {
        let now = 0;
        let most = 0;
        const order: number[] = [];
        return {
          async work(n: number): Promise<void> {
            most = Math.max(most, ++now);
            await new Promise((resolve) => setTimeout(resolve, 10 - n));
            order.push(n);
            now--;
          },
          seen: () => ({ most, order }),
        };
      },
      concurrency === undefined ? { pool: own } : { pool: own, concurrency },
    );
  };

  test.each([
    [1, 1],
    [3, 3],
    [undefined, 8],
  ])("%s calls at a time", async (concurrency, most) => {
    const object = await counter(concurrency);
    await Promise.all(Array.from({ length: 8 }, (_, n) => object.work(n)));
    const seen = await object.seen();
    expect(seen.most).toBe(most);
    // Those that are called later take less time.
    expect(seen.order.every((n, index) => n === index)).toBe(concurrency === 1);
    await end(object);
  });

  test("a method that does not end after its timeout ends the object, so that nobody waits behind it for ever", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own, concurrency: 1, timeout: 300, restart: "transient" });
    const stuck = object.hold(scene.gate("never"));
    const behind = object.count();
    expect(await failure(stuck)).toBeInstanceOf(CallTimeoutError);
    expect(await behind).toBe(1);
    expect(scene.notes()).toEqual(["made", "hold never", "disposed", "made"]);
    await end(object);
  });

  test("one that ends late holds its turn until then", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own, concurrency: 1, timeout: 300 });
    const late = object.hold(scene.gate("go"));
    const behind = object.count();
    expect(await failure(late)).toBeInstanceOf(CallTimeoutError);
    await passed(100);
    scene.open("go");
    expect(await behind).toBe(2);
    await end(object);
  });
});

describe("signal", () => {
  test("before the object is there `place` rejects, and nothing is left", async () => {
    const own = ownPool();
    const controller = new AbortController();
    const placing = failure(
      flame.place(
        ({ signal }) =>
          new Promise<Witness>((_, reject) =>
            signal.addEventListener("abort", () => reject(new Error("never heard of"))),
          ),
        { pool: own, signal: controller.signal },
      ),
    );
    await until("the factory to run", () => own.stats().slots.busy === 1);
    controller.abort(new Error("no more"));
    expect(await placing).toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: new Error("no more") });
    expect(await failure(flame.place(() => new Date(), { pool: own, signal: controller.signal }))).toBeInstanceOf(
      AbortError,
    );
  });

  test("afterwards its calls reject at once, and it is disposed", async () => {
    const own = ownPool();
    const controller = new AbortController();
    const { object, ...scene } = await witness({ pool: own, signal: controller.signal });
    const held = failure(object.hold(scene.gate("never")));
    await until("the call to run", () => scene.notes().includes("hold never"));
    controller.abort();
    expect(await held).toMatchObject({ code: "ABORT_ERR" });
    expect(await failure(object.count())).toMatchObject({ code: "ABORT_ERR" });
    await until("a free slot", () => own.stats().slots.busy === 0);
    expect(scene.notes()).toEqual(["made", "hold never", "disposed"]);
    await end(object);
  });

  test("concerns only whom it was given for", async () => {
    const own = ownPool();
    const controller = new AbortController();
    const { path } = room();
    const file = path("notes");
    const place = (signal?: AbortSignal) =>
      flame.place(() => new Witness(file), { pool: own, key: "one", ...(signal && { signal }) });
    const [aborted, kept] = [await place(controller.signal), await place()];
    const held = failure(aborted.hold(path("never")));
    controller.abort();
    expect(await held).toMatchObject({ code: "ABORT_ERR" });
    expect(await kept.count()).toBe(1);
    await end(kept).catch(() => {});
  });
});

describe("close", () => {
  test("of its pool: calls under way finish, the object is disposed, and nobody waits for more", async () => {
    const own = ownPool({ drainTimeout: "15s" });
    const { object, ...scene } = await witness({ pool: own, concurrency: 1 });
    const held = object.hold(scene.gate("go"));
    const queued = object.count();
    await until("the call to run", () => scene.notes().includes("hold go"));
    const begun = performance.now();
    const closing = own.close();
    expect(await failure(object.count())).toBeInstanceOf(PoolClosedError);
    scene.open("go");
    expect([await held, await queued]).toEqual([1, 2]);
    await closing;
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(scene.notes()).toEqual(["made", "hold go", "disposed"]);
    await end(object);
  });

  test("gives up a call that does not end, with the rest of the pool", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own });
    const held = failure(object.hold(scene.gate("never")));
    await until("the call to run", () => scene.notes().includes("hold never"));
    await own.close({ timeout: 200 });
    expect(await held).toBeInstanceOf(PoolClosedError);
    await end(object);
  });

  test("what its dispose throws is an event when nobody asked for it", async () => {
    const own = ownPool();
    const failed = hear("hook.failed");
    await flame.place(() => ({ dispose: () => { throw new RangeError("not now"); } }), { pool: own, name: "bad" }); // prettier-ignore
    await own.close();
    expect(failed).toEqual([{ event: "dispose", error: new RangeError("not now") }]);
  });

  test("drain waits for the calls of an object, not for the object", async () => {
    const own = ownPool();
    const { object, ...scene } = await witness({ pool: own });
    await own.drain();
    const held = object.hold(scene.gate("go"));
    let drained = false;
    const draining = own.drain().then(() => (drained = true));
    await passed(100);
    expect(drained).toBe(false);
    scene.open("go");
    await held;
    await draining;
    await end(object);
  });

  test("while the object is being made: `place` gives it, and it goes with its pool", async () => {
    const own = ownPool();
    const { path, say, lines } = room();
    const [file, gate] = [path("notes"), path("go")];
    const placing = flame.place(
      async () => {
        while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 5));
        return new Witness(file);
      },
      { pool: own },
    );
    await until("the factory to run", () => own.stats().slots.busy === 1);
    const closing = own.close();
    say("go");
    const object = await placing;
    expect(await failure(object.count())).toBeInstanceOf(PoolClosedError);
    await closing;
    expect(lines("notes")).toEqual(["made", "disposed"]);
  });
});

describe("what an object has started", () => {
  const child = (own: ReturnType<typeof pool>, file: string) =>
    flame.place(
      async () => {
        const { spawn } = await import("node:child_process");
        const program = spawn("sleep", ["1000"]);
        const timer = setInterval(() => appendFileSync(file, "tick\n"), 5);
        return {
          pids: () => [process.pid, program.pid!] as const,
          [Symbol.dispose](): void {
            clearInterval(timer);
            program.kill();
          },
        };
      },
      { pool: own },
    );

  test("ends by its own dispose: the interval and the child process", async () => {
    const own = ownPool();
    const { path, lines } = room();
    const object = await child(own, path("ticks"));
    const [, program] = await object.pids();
    await until("ticks", () => lines("ticks").length > 1);
    await end(object);
    await gone(program);
    const ticks = lines("ticks").length;
    await passed(100);
    expect(lines("ticks")).toHaveLength(ticks);
  });

  test("goes with its runner", async () => {
    const own = ownPool();
    const object = await child(own, room().path("ticks"));
    const [pid, program] = await object.pids();
    process.kill(pid, "SIGKILL");
    await expect(gone(program)).resolves.toBeUndefined();
  });
});

describe("options that make no sense", () => {
  const wrong: [options: object, message: string][] = [
    [
      { restrat: "transient" },
      `Cannot use option "restrat" of flame.place: it does not exist; did you mean "restart"?`,
    ],
    [{ retries: 1 }, `Cannot use option "retries" of flame.place: it does not exist; known options are pool,`],
    [{ restart: "always" }, `Cannot use "always" as option "restart" of flame.place: "temporary", "transient" or`],
    [{ key: 7 }, `Cannot use 7 as option "key" of flame.place: a string is wanted`],
    [{ idle: "soon" }, `Cannot use "soon" as option "idle" of flame.place: a duration is`],
    [{ concurrency: 0 }, `Cannot use 0 as option "concurrency" of flame.place: a whole number from 1 or Infinity is`],
    [{ timeout: -1 }, `Cannot use -1 as option "timeout" of flame.place: a duration is`],
    [{ signal: 1 }, `Cannot use option "signal" of flame.place: an AbortSignal is wanted`],
  ];
  test.each(wrong)("%o", async (options, message) => {
    expect(await failure(flame.place(() => new Date(), options))).toMatchObject({
      name: "TypeError",
      message: expect.stringContaining(message) as string,
    });
  });

  test("a factory that is none", async () => {
    expect((await failure(flame.place(7 as never))).message).toBe(
      "Cannot place 7: a function that makes an object is wanted",
    );
  });
});
