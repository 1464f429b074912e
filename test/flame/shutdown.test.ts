import { describe, expect, test } from "vitest";
import { startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";

const head = `import { flame, pool, shutdown, local } from "tinderbox";
const tell = (call: Promise<unknown>) => call.then((value) => console.log("value", value), (error) => console.log(error.name, error.started));
`;

describe("shutdown()", () => {
  test("refuses new calls, lets those that wait and run finish, and does not end the process", async () => {
    const script = startScript(`${head}
const a = pool("a", { max: 1 });
const b = pool("b", { max: 1 });
const running = flame(({ progress, signal }) => new Promise((resolve) => {
  progress("up");
  setTimeout(() => resolve("ran"), 100);
}), { pool: a, onProgress: async () => {
  void tell(running);
  void tell(flame(() => "queued", { pool: a }));
  void tell(flame(() => "other", { pool: b }));
  const down = shutdown();
  await tell(flame(() => "late", { pool: b }));
  await down;
  console.log("down");
} });
`);
    const { stdout, code } = await script.finished;
    expect(code).toBe(0);
    expect(stdout.split("\n").filter(Boolean).toSorted()).toEqual([
      "PoolClosedError false",
      "down",
      "value other",
      "value queued",
      "value ran",
    ]);
    expect(stdout.trim().endsWith("down")).toBe(true);
  });

  test("gives what does not finish within its timeout a PoolClosedError, and ends the runners", async () => {
    const script = startScript(`${head}
const a = pool("a", { max: 1 });
const forever = () => new Promise(() => {});
const call = flame(({ progress }) => { progress(process.pid); return new Promise(() => {}); }, {
  pool: a,
  timeout: Infinity,
  onProgress: async (pid) => {
    void tell(flame(forever, { pool: a }));
    await shutdown({ timeout: "200ms" });
    try { process.kill(pid as number, 0); console.log("alive"); } catch { console.log("gone"); }
  },
});
void tell(call);
`);
    const { stdout } = await script.finished;
    expect(stdout.split("\n").filter(Boolean)).toEqual(["PoolClosedError true", "PoolClosedError false", "gone"]);
  });

  test("is waited for by an application that listens for the signal, whose exit code is kept", async () => {
    const script = startScript(`${head}
process.once("SIGTERM", async () => {
  await shutdown({ timeout: "10s" });
  process.exitCode = 7;
  clearInterval(server);
});
const server = setInterval(() => {}, 1_000);
void tell(flame(({ progress }) => { progress(0); return new Promise((resolve) => setTimeout(resolve, 200, "done")); }, {
  onProgress: () => console.log("running"),
}));
`);
    await script.see(/running/);
    script.kill("SIGTERM");
    const { stdout, code, signal } = await script.finished;
    expect({ stdout, code, signal }).toEqual({ stdout: "running\nvalue done\n", code: 7, signal: null });
  });

  test("a second signal does not wait for the calls", async () => {
    const script = startScript(`${head}
void tell(flame(({ progress }) => { progress(0); return new Promise(() => {}); }, {
  timeout: Infinity,
  onProgress: () => console.log("running"),
}));
process.on("SIGUSR2", () => console.log("seen"));
`);
    await script.see(/running/);
    script.kill("SIGINT");
    // Signals are taken in order: when this one was seen, the first has been.
    script.kill("SIGUSR2");
    await script.see(/seen/);
    script.kill("SIGINT");
    expect(await script.finished).toMatchObject({ signal: "SIGINT" });
  });

  test("refuses options that make no sense", async () => {
    const script = startScript(`${head}
for (const options of [{ timeOut: 1 }, { timeout: "soon" }]) await shutdown(options as never).catch((error) => console.log(error.message));
`);
    const { stdout } = await script.finished;
    expect(stdout).toMatch(/did you mean "timeout"\?/);
    expect(stdout).toMatch(/Cannot use "soon" as "timeout" of shutdown\(\)/);
  });

  test("does nothing on a runner, and neither does start()", async () => {
    const script = startScript(`${head}
const a = pool("a", { max: 1, min: 1 });
await tell(flame(async () => {
  const { shutdown, pool } = await import("tinderbox");
  await pool("inner", { min: 1 }).start();
  await shutdown();
  return "still here";
}, { pool: a }));
await tell(flame(() => "and here", { pool: a }));
`);
    expect((await script.finished).stdout).toBe("value still here\nvalue and here\n");
  });
});

describe("TINDERBOX_BACKEND", () => {
  const code = `${head}
const remote = { ...local(), name: "remote", boot: async () => { throw Object.assign(new Error("no machines here"), { permanent: true }); } };
await tell(flame(() => "ran", { pool: pool("far", { backend: remote }) }));
`;

  test("=local overrides the backend of every pool", async () => {
    expect((await startScript(code).finished).stdout).toBe("BootError false\n");
    const { stdout } = await startScript(code, { env: { TINDERBOX_BACKEND: "local" } }).finished;
    expect(stdout).toBe("value ran\n");
  });

  test("that is unknown is refused where a pool is declared", async () => {
    const { stderr, code: exit } = await startScript(code, { env: { TINDERBOX_BACKEND: "lokal" } }).finished;
    expect(stderr).toContain("Cannot use TINDERBOX_BACKEND=lokal: it does not exist; known is local");
    expect(exit).toBe(1);
  });
});

describe("lifetime", () => {
  test("ends a runner by itself when its pool cannot", async () => {
    const script = startScript(`${head}
const a = pool("a", { max: 1, lifetime: "4s", drainTimeout: "500ms", onParentLoss: "drain" });
void flame(({ progress }) => { progress(process.pid); for (;;); }, {
  pool: a,
  timeout: Infinity,
  onProgress: (pid) => console.log("pid", pid),
});
`);
    const [, pid] = await script.see(/pid (\d+)/);
    script.kill("SIGSTOP");
    const alive = (): boolean => {
      try {
        process.kill(Number(pid), 0);
        return true;
      } catch {
        return false;
      }
    };
    // Its parent does not even take its exit status: it is a zombie then.
    const { readFileSync } = await import("node:fs");
    await until("the runner's end", () => !alive() || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "));
    script.kill("SIGKILL");
    await script.finished;
    // Nobody was left to remove the folder of its socket: the next parent does.
    expect((await startScript(`${head}await tell(flame(() => "next"));`).finished).stdout).toBe("value next\n");
  });
});
