import { QueueFullError, type RunnerLostError, events, flame, pool } from "tinderbox";
import { afterAll, describe, expect, test } from "vitest";

const errors = pool("errors", { max: 1, concurrency: 4, idle: "200ms" });
afterAll(() => errors.close());

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}

class OwnError extends Error {
  override name = "OwnError";
  code: string;
  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

describe("an error of the closure", () => {
  test("arrives as what it is, with its fields and its cause", async () => {
    const error = (await failure(
      flame(
        () => {
          throw Object.assign(new RangeError("too far", { cause: new TypeError("because") }), {
            code: "E_FAR",
            distance: 3,
          });
        },
        { pool: errors },
      ),
    )) as RangeError & { code: string; distance: number };
    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ message: "too far", code: "E_FAR", distance: 3 });
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test("of a class of the same file is an instance of that class", async () => {
    const error = await failure(flame(() => Promise.reject(new OwnError("own", "E1")), { pool: errors }));
    expect(error).toBeInstanceOf(OwnError);
    expect(error).toMatchObject({ message: "own", code: "E1" });
  });

  test("of a class that only the runner knows is an Error with its name and fields", async () => {
    const error = (await failure(
      flame(
        () => {
          class Hidden extends Error {
            override name = "Hidden";
            detail = 7;
          }
          throw new Hidden("inside");
        },
        { pool: errors },
      ),
    )) as Error;
    expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
    expect(error).toMatchObject({ name: "Hidden", message: "inside", detail: 7 });
  });

  test("may be any value", async () => {
    expect(await failure(flame(() => Promise.reject({ plain: 1 }), { pool: errors }))).toEqual({ plain: 1 });
  });

  test("has a stack of the user's own files: where it was thrown, the runner, where flame was called", async () => {
    async function callerOfFlame(): Promise<unknown> {
      return failure(
        flame(
          function thrower() {
            throw new Error("deep");
          },
          { pool: errors },
        ),
      );
    }
    const { stack } = (await callerOfFlame()) as Error;
    const lines = stack!.split("\n").map((line) => line.trim());
    const line = lines.findIndex((each) => each.startsWith("at flame (runner errors-"));
    expect(lines[1]).toMatch(/^at thrower \(.*errors\.test\.ts:\d+:\d+\)$/);
    expect(line).toBe(2);
    expect(lines.slice(line).join("\n")).toContain("callerOfFlame");
    expect(stack).not.toMatch(/flame=|executor|agent\./);
  });

  test("that nobody awaits is an event and does not end the process", async () => {
    const seen = new Promise((resolve) =>
      events.on("call.failed", ({ error, name }) => name === "unwatched" && resolve(error)),
    );
    void flame(
      () => {
        throw new Error("nobody looks");
      },
      { pool: errors, name: "unwatched" },
    );
    expect(await seen).toMatchObject({ message: "nobody looks" });
  });
});

describe("a result that cannot be sent", () => {
  test("is refused with its path, and the runner goes on", async () => {
    const error = await failure(flame(() => ({ deep: { fn: new WeakMap() } }) as unknown, { pool: errors }));
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_CAPTURE", path: ["result", "deep", "fn"] });
    expect(await flame(() => 1, { pool: errors })).toBe(1);
  });
});

describe("a lost runner", () => {
  test("is told with the last lines of its standard error", async () => {
    const error = (await failure(
      flame(
        async () => {
          const { writeSync } = await import("node:fs");
          writeSync(2, "native words\n");
          process.exit(4);
        },
        { pool: errors },
      ),
    )) as RunnerLostError;
    expect(error.stderr).toContain("native words");
  });
});

describe("a limit", () => {
  test("of the queue fails the call that is too many, at once", async () => {
    const own = pool("narrow", { max: 1, queueLimit: 2 });
    const waiting = [1, 2].map((value) => flame(() => value, { pool: own }));
    const error = await failure(flame(() => 3, { pool: own }));
    expect(error).toBeInstanceOf(QueueFullError);
    expect(error).toMatchObject({ limit: 2, started: false });
    expect(await Promise.all(waiting)).toEqual([1, 2]);
    await own.close();
  });
});

describe("options", () => {
  test.each([
    [{ timeuot: 5 }, 'Cannot use option "timeuot" of flame: it does not exist; did you mean "timeout"?'],
    [{ timeout: "5 minutes" }, 'Cannot use "5 minutes" as option "timeout" of flame'],
    [{ signal: {} }, "an AbortSignal is wanted"],
    [{ priority: "high" }, "a number is wanted"],
    [{ pool: "nowhere" }, 'Cannot find pool "nowhere"'],
  ])("%j are refused before anything happens", async (options, message) => {
    const before = errors.stats();
    const error = await failure(flame(() => 1, { pool: errors, ...options } as never));
    expect((error as Error).message).toContain(message);
    expect(errors.stats()).toEqual(before);
  });
});
