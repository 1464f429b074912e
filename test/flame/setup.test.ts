import { inspect } from "node:util";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { BootError, type EventMap, events, flame, pool, runner } from "tinderbox";
import { afterEach, describe, expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";

const logs: EventMap["runner.log"][] = [];
const hooks: EventMap["hook.failed"][] = [];
events.on("runner.log", (event) => void logs.push(event));
events.on("hook.failed", (event) => void hooks.push(event));
afterEach(() => void [logs, hooks].forEach((list) => list.splice(0)));

const failure = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => expect.fail("it did not fail"),
    (error: Error) => error,
  );
const file = (name: string): string => `${testRun.folder}/${name}`;
declare global {
  var prepared: string | undefined;
}

describe("setup", () => {
  test("runs before the first call, once on each executor, and captures like any closure", async () => {
    const word = "warm";
    const own = pool("warm", {
      max: 1,
      setup: async () => {
        await Promise.resolve();
        globalThis.prepared = `${globalThis.prepared ?? ""}${word} on ${runner()!.id}`;
      },
    });
    const seen = await Promise.all([1, 2, 3].map(() => flame(() => globalThis.prepared, { pool: own })));
    expect(seen).toEqual(["warm on warm-1", "warm on warm-1", "warm on warm-1"]);
    await own.close();
  });

  test("is a phase of the boot, whose time it shares", async () => {
    const phases: string[] = [];
    const off = events.on("boot.phase", ({ pool: name, phase }) => name === "slow" && void phases.push(phase));
    const own = pool("slow", { max: 1, bootTimeout: "4s", setup: () => new Promise(() => undefined) });
    const error = await failure(flame(() => 1, { pool: own }));
    expect(error).toBeInstanceOf(BootError);
    expect(error.message).toContain("its setup did not end within 4000 ms (phase setup)");
    expect(phases).toEqual(expect.arrayContaining(["connected", "setup"]));
    off[Symbol.dispose]();
    await own.close();
  });

  test("that fails rejects all who wait at once, with its error as the cause; later calls try again", async () => {
    const gate = file("gate");
    const own = pool("broken", {
      max: 1,
      setup: async () => {
        const { existsSync: exists } = await import("node:fs");
        if (!exists(gate)) throw new RangeError("no model");
      },
    });
    const errors = await Promise.all([1, 2].map((n) => failure(flame(() => n, { pool: own }))));
    for (const error of errors) {
      expect(error).toBeInstanceOf(BootError);
      expect(error).toMatchObject({ permanent: true, phase: "setup", started: false });
      expect(error.message).toContain("Cannot boot runner broken-1: its setup failed: no model");
      expect((error.cause as BootError | RangeError).constructor).toBe(RangeError);
    }
    writeFileSync(gate, "");
    expect(await flame(() => "up", { pool: own })).toBe("up");
    await own.close();
  });

  test("that ends its process is a failed boot like any other: the reason is told, and the pool tries again", async () => {
    const tries = file("tries");
    const own = pool("leaves", {
      max: 1,
      setup: async () => {
        const { appendFileSync, readFileSync: read } = await import("node:fs");
        appendFileSync(tries, "x");
        if (read(tries, "utf8").length < 3) process.exit(9);
      },
    });
    const reasons: string[] = [];
    const off = events.on("boot.failed", ({ error }) => void reasons.push(error.message.split("\n")[0]!));
    expect(await flame(() => "up", { pool: own })).toBe("up");
    expect(reasons).toEqual([
      "Cannot boot runner leaves-1: it ended with exit code 9 (phase setup)",
      "Cannot boot runner leaves-2: it ended with exit code 9 (phase setup)",
    ]);
    off[Symbol.dispose]();
    await own.close();
  });

  test("that fails while other runners are up costs no waiting call", async () => {
    const first = file("first");
    const own = pool("mixed", {
      max: 2,
      setup: async () => {
        const { mkdirSync } = await import("node:fs");
        // Throws for all but the first.
        mkdirSync(first);
      },
    });
    const calls = [1, 2, 3].map((n) => flame(() => n, { pool: own }));
    await calls[0];
    const more = [4, 5, 6].map((n) => flame(() => n, { pool: own }));
    const outcomes = await Promise.allSettled([...calls.slice(1), ...more]);
    expect(outcomes.slice(2).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    await own.close();
  });

  test("that reaches what cannot travel is refused where the pool starts, and boots nothing", async () => {
    const socket = new Proxy({}, {});
    const own = pool("refused", { max: 1, setup: () => socket });
    expect((await failure(flame(() => 1, { pool: own }))).name).toBe("CaptureError");
    expect((await failure(own.start())).name).toBe("CaptureError");
    expect(own.stats().boots).toEqual({ ok: 0, failed: 0 });
    await own.close();
  });

  test("holds in every executor of a runner, also in one that was started again", async () => {
    const own = pool("all", { max: 1, processes: 2, setup: () => void (globalThis.prepared = "yes") });
    const look = (): Promise<string | undefined> => flame(() => globalThis.prepared, { pool: own });
    expect(await Promise.all([look(), look()])).toEqual(["yes", "yes"]);
    await failure(flame(() => process.exit(1), { pool: own }));
    await until("both executors", () => own.stats().slots.free === 2);
    expect(await Promise.all([look(), look()])).toEqual(["yes", "yes"]);
    await own.close();
  });
});

describe("secrets", () => {
  const secrets = { TOKEN: "hunter2hunter2", PEM: "-----BEGIN\nline-one-of-it\n-----END", TINY: "abc" };

  test("are in the environment of setup and calls, and nowhere that others can look", async () => {
    const own = pool("secret", {
      max: 1,
      secrets,
      env: { PLAIN: "seen" },
      setup: () => void (globalThis.prepared = process.env["TOKEN"]!),
    });
    const [found, pid] = await flame(
      () =>
        [[globalThis.prepared, process.env["TOKEN"], process.env["PEM"], process.env["TINY"]], process.pid] as const,
      { pool: own },
    );
    expect(found).toEqual([secrets.TOKEN, secrets.TOKEN, secrets.PEM, secrets.TINY]);
    const seen = ["environ", "cmdline"].map((name) => readFileSync(`/proc/${pid}/${name}`, "latin1")).join();
    expect(seen).toContain("PLAIN=seen");
    for (const value of Object.values(secrets)) expect(seen).not.toContain(value);
    await own.close();
  });

  test("are blotted out of what runners print, of faults, of boot errors and of lost runners' last words", async () => {
    const own = pool("blotted", { max: 1, secrets });
    await flame(
      ({ log }) => {
        console.log(`printed ${process.env["TOKEN"]}!`);
        console.error(process.env["PEM"]);
        log("logged", process.env["TOKEN"]);
      },
      { pool: own },
    );
    const lost = await failure(
      flame(
        () => {
          console.error(`last words ${process.env["TOKEN"]}`);
          process.exit(1);
        },
        { pool: own },
      ),
    );
    expect(lost).toMatchObject({ stderr: expect.arrayContaining(["last words [secret TOKEN]"]) });
    const lines = logs.map(({ line }) => line);
    expect(lines).toEqual(expect.arrayContaining(["printed [secret TOKEN]!", "[secret PEM]", "logged [secret TOKEN]"]));
    await own.close();
    const boots = pool("blotted-boot", {
      max: 1,
      secrets,
      setup: () => {
        console.error(`setup saw ${process.env["TOKEN"]}`);
        const cause = new Error(`refused ${process.env["TOKEN"]}`);
        throw Object.assign(new Error(`wrong password ${process.env["TOKEN"]}`, { cause }), {
          token: process.env["TOKEN"],
        });
      },
    });
    const error = await failure(flame(() => 1, { pool: boots }));
    expect(error.message).toContain("wrong password [secret TOKEN]");
    expect(error.message).toContain("setup saw [secret TOKEN]");
    // With all that it was caused by.
    expect(inspect(error, { depth: 10 })).toContain("refused [secret TOKEN]");
    expect(inspect(error, { depth: 10 })).not.toContain(secrets.TOKEN);
    await boots.close();
    expect(JSON.stringify([logs, lost, lost.message, error.message])).not.toContain(secrets.TOKEN);
  });

  test("may be a list of names in the parent's environment", async () => {
    process.env["TB_SECRET"] = "from-the-parent";
    const own = pool("named", { max: 1, secrets: ["TB_SECRET", "TB_NOT_THERE"] });
    expect(await flame(() => process.env["TB_SECRET"], { pool: own })).toBe("from-the-parent");
    delete process.env["TB_SECRET"];
    await own.close();
  });

  test("that are no strings are refused without their value", () => {
    expect(() => pool("wrong", { secrets: { A: 12345 as unknown as string } })).toThrow(
      new TypeError('Cannot use option "secrets" of pool "wrong": the value of A is not a string'),
    );
  });
});

describe("idleCheck", () => {
  test("keeps an idle runner as long as it says no, and lets it go when it says yes", async () => {
    const asked = file("asked");
    const free = file("free");
    const own = pool("vetoes", {
      max: 1,
      idle: "30ms",
      idleCheck: async () => {
        const { appendFileSync, existsSync: exists } = await import("node:fs");
        appendFileSync(asked, "x");
        return exists(free);
      },
    });
    await flame(() => 1, { pool: own });
    await until("three questions", () => existsSync(asked) && readFileSync(asked, "utf8").length >= 3);
    expect(own.stats().runners).toMatchObject({ ready: 1, draining: 0 });
    writeFileSync(free, "");
    await until("no runner", () => own.stats().runners.ready + own.stats().runners.draining === 0);
    expect(own.stats().boots).toEqual({ ok: 1, failed: 0 });
    await own.close();
  });

  test("that throws is an event, and keeps no machine alive", async () => {
    const own = pool("throws", {
      max: 1,
      idle: "30ms",
      idleCheck: () => {
        throw new Error("broken check");
      },
    });
    await flame(() => 1, { pool: own });
    await until("no runner", () => own.stats().runners.ready + own.stats().runners.draining === 0);
    expect(hooks.map(({ event, error }) => [event, (error as Error).message])).toEqual([["idleCheck", "broken check"]]);
    await own.close();
  });

  test("that does not answer is an event, and keeps no machine alive", async () => {
    const own = pool("silent", { max: 1, idle: "30ms", idleCheck: () => new Promise(() => undefined) });
    await flame(() => 1, { pool: own });
    await until("no runner", () => own.stats().runners.ready + own.stats().runners.draining === 0);
    expect(hooks).toMatchObject([{ event: "idleCheck" }]);
    await own.close();
  });

  test("of several executors each is asked: one that says no is enough", async () => {
    const stays = file("stays");
    const own = pool("several", {
      max: 1,
      processes: 2,
      idle: "30ms",
      setup: async () => {
        const { mkdirSync } = await import("node:fs");
        try {
          mkdirSync(stays);
          globalThis.prepared = "no";
        } catch {
          globalThis.prepared = "yes";
        }
      },
      idleCheck: async () => {
        const { appendFileSync } = await import("node:fs");
        appendFileSync(`${stays}/${globalThis.prepared}`, "x");
        return globalThis.prepared === "yes";
      },
    });
    await flame(() => 1, { pool: own });
    const asked = (name: string): number =>
      existsSync(`${stays}/${name}`) ? readFileSync(`${stays}/${name}`, "utf8").length : 0;
    await until("several questions", () => asked("yes") >= 3 && asked("no") >= 3);
    expect(own.stats().runners.ready).toBe(1);
    await own.close();
  });
});
