/** The failure matrix: how one call ends, and that nothing else ends with it. */
import { createServer } from "node:http";
import { CaptureError, events, flame, pool } from "tinderbox";
import { afterAll, describe, expect, test } from "vitest";
import { until } from "../../harness/until.ts";
import { failure, wait } from "../lab.ts";

const own = pool("ends", { max: 1, concurrency: 4 });
const first = flame(() => process.pid, { pool: own });
afterAll(() => own.close());

/** The runner that was there before has all its slots free. */
async function expectUnharmed(): Promise<void> {
  expect(await flame(() => process.pid, { pool: own })).toBe(await first);
  await own.drain();
  expect(own.stats()).toMatchObject({ queued: 0, slots: { busy: 0, free: 4 }, boots: { ok: 1, failed: 0 } });
}

describe("the closure throws / rejects: that error, at the caller, stack joined", () => {
  test.each([
    [
      "throws",
      (): never => {
        throw new RangeError("out of range");
      },
    ],
    ["rejects", (): Promise<never> => Promise.reject(new RangeError("out of range"))],
    [
      "rejects later",
      async (): Promise<never> => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        throw new RangeError("out of range");
      },
    ],
  ])("%s", async (_, end) => {
    async function caller(): Promise<unknown> {
      return flame(end, { pool: own });
    }
    const error = await failure(caller());
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toBe("out of range");
    const [above, below] = error.stack!.split(/^ {4}at flame \(runner ends-1\)$/m);
    expect(above).toMatch(/^RangeError: out of range\n {4}at .*calls\.test\.ts:\d+:\d+/);
    expect(below).toContain("at caller (");
    await expectUnharmed();
  });
});

/** Ends that answer back when they are looked at. Each is the end of this one call, and of nothing else. */
const hostileEnds: Readonly<Record<string, () => unknown>> = {
  "a result whose `then` throws when it is looked at": () => ({
    // oxlint-disable-next-line unicorn/no-thenable -- that is the case
    get then(): never {
      throw new Error("hostile");
    },
  }),
  "a result with a getter that throws": () => ({
    get value(): never {
      throw new Error("hostile");
    },
  }),
  "a result that is a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "a thenable that throws": () => ({
    // oxlint-disable-next-line unicorn/no-thenable -- that is the case
    then(): never {
      throw new Error("hostile");
    },
  }),
  "an error whose message cannot be read": () => {
    throw Object.defineProperty(new Error("x"), "message", {
      get(): never {
        throw new Error("hostile");
      },
    });
  },
  "an error whose stack cannot be read": () => {
    throw Object.defineProperty(new Error("x"), "stack", {
      get(): never {
        throw new Error("hostile");
      },
    });
  },
  "an error that is its own cause": () => {
    const error = new Error("hostile");
    error.cause = error;
    throw error;
  },
  "an error that is a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
    revoke();
    throw proxy;
  },
  "an error that is a function": () => {
    throw (): void => {};
  },
  "an error that is undefined": () => {
    throw undefined;
  },
};

describe("the closure throws / rejects what cannot be looked at: its caller gets an error, nobody else notices", () => {
  const check = async (name: string): Promise<void> => {
    const end = hostileEnds[name]!;
    const hostile = pool(`hostile-${Object.keys(hostileEnds).indexOf(name)}`, { max: 1, drainTimeout: "100ms" });
    try {
      const pid = await flame(() => process.pid, { pool: hostile });
      const outcome = await flame(end, { pool: hostile, timeout: "1500ms" }).then(
        () => "a result",
        (error: unknown) => String((error as { code?: unknown } | undefined)?.code),
      );
      expect(outcome).not.toMatch(/a result|RUNNER_LOST|CALL_TIMEOUT/);
      expect(await flame(() => process.pid, { pool: hostile })).toBe(pid);
    } finally {
      await hostile.close();
    }
  };
  test.each(Object.keys(hostileEnds))("%s", (name) => check(name));
});

describe("a value cannot be sent, either way: an error with the path; slot freed; runner stays", () => {
  test("to the runner", async () => {
    const server = createServer();
    const holder = { deep: [{ server }] };
    const error = await failure(flame(() => holder.deep.length, { pool: own }));
    expect(error).toBeInstanceOf(CaptureError);
    expect(error).toMatchObject({ path: expect.arrayContaining(["holder", "deep", 0, "server"]) });
    await expectUnharmed();
  });

  test("to the caller", async () => {
    const error = await failure(flame(() => ({ deep: [new WeakMap()] }) as unknown, { pool: own }));
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_CAPTURE", path: ["result", "deep", 0] });
    await expectUnharmed();
  });

  test("as progress: the closure gets the error and may go on", async () => {
    const caught = await flame(
      ({ progress }) => {
        try {
          progress({ deep: new WeakMap() });
          return "sent";
        } catch (error) {
          return String(error);
        }
      },
      { pool: own },
    );
    expect(caught).toMatch(/progress\.deep/);
    await expectUnharmed();
  });

  test("as part of an error: its message arrives, with what was left behind", async () => {
    const error = await failure(
      flame(
        () => {
          throw Object.assign(new Error("with a map"), { map: new WeakMap(), code: "E_MAP", at: { line: 7 } });
        },
        { pool: own },
      ),
    );
    expect(error.message).toMatch(/^with a map \(.*error\.map.*WeakMap/);
    // What can travel does.
    expect(error).toMatchObject({ code: "E_MAP", at: { line: 7 } });
    expect(error).not.toHaveProperty("map");
    await expectUnharmed();
  });
});

describe("unhandledRejection / exception in a later tick: attributed to the runner's log with call ids; the runner is drained and replaced", () => {
  test.each([
    [
      "exception",
      (): void =>
        void setImmediate(() => {
          throw new Error("too late");
        }),
    ],
    ["rejection", (): void => void Promise.reject(new Error("too late"))],
    [
      "listener",
      (): void => {
        const stop = new AbortController();
        stop.signal.addEventListener("abort", () => {
          throw new Error("too late");
        });
        stop.abort();
      },
    ],
  ])("%s: the calls on it finish, the next one is served by another", async (name, later) => {
    const faulty = pool(`faulty-${name}`, { max: 1, concurrency: 3 });
    const mine = <E extends { readonly pool: string }>(list: E[]) =>
      [(event: E) => void (event.pool === faulty.name && list.push(event)), { signal: listening.signal }] as const;
    const listening = new AbortController();
    const faults: { pool: string; runner: string; calls: readonly number[] }[] = [];
    const lines: { pool: string; call: number; stream: string; line: string }[] = [];
    const drains: { pool: string; reason: string }[] = [];
    events.on("runner.fault", ...mine(faults));
    events.on("runner.log", ...mine(lines));
    events.on("runner.draining", ...mine(drains));

    const neighbour = wait(faulty);
    const pid = await neighbour.running;
    const culprit = wait(faulty);
    await culprit.running;
    // A call that is over long before its fault.
    await flame(later, { pool: faulty });
    await until("the fault", () => faults.length > 0);
    const next = flame(() => process.pid, { pool: faulty });
    neighbour.end();
    culprit.end();
    expect(await Promise.all([neighbour.done, culprit.done])).toEqual([pid, pid]);
    expect(await next).not.toBe(pid);
    expect(faults).toEqual([expect.objectContaining({ runner: `${faulty.name}-1`, calls: [3] })]);
    expect(lines[0]).toMatchObject({ call: 3, stream: "stderr", line: expect.stringContaining("Error: too late") });
    expect(drains.map(({ reason }) => reason)).toEqual(["retired"]);
    expect(faulty.stats().failed).toBe(0);
    listening.abort();
    await faulty.close();
  });
});
