import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type EventMap, service, supervisor } from "tinderbox";
import { BinaryExitError, BinaryStartError, CommandError } from "../../src/errors.ts";
import { Events, events } from "../../src/events/index.ts";
import type { ServiceOptions } from "../../src/native/service/options.ts";
import { serviceSpec } from "../../src/native/service/service.ts";
import type { Child } from "../../src/ports/child.ts";
import { connects } from "../../src/transport/probe.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { testRun } from "../harness/run.ts";
import { runScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { ended, lab, newTag, stateOf, vice, withTag } from "./lab.ts";

const stop = { grace: "300ms" } as const;

interface Kept {
  readonly events: Events;
  readonly lines: string[];
  readonly exits: EventMap["program.exited"][];
  start(options: ServiceOptions): Promise<Child & { readonly value: { readonly pid: number } }>;
  readonly abort: AbortController;
}

/** Services that no supervisor holds, with events of their own; with a clock that a test moves, their checks are its. */
function keep(clock?: FakeClock): Kept {
  const { programs } = lab(true);
  const own = new Events();
  const lines: string[] = [];
  const exits: EventMap["program.exited"][] = [];
  own.on("program.exited", (exit) => exits.push(exit));
  const abort = new AbortController();
  const real = { now: () => performance.now(), wall: () => 0, timer };
  const deps = {
    clock: clock ?? real,
    events: own,
    connects,
    start: programs.start,
    environment: () => process.env,
    printer: (name: string) => ({
      print: (line: string, stream: string) => {
        lines.push(`${name} ${stream}: ${line}`);
        return true;
      },
      resume: () => Promise.resolve(),
    }),
  };
  return {
    events: own,
    lines,
    exits,
    abort,
    start: (options) =>
      Promise.resolve(serviceSpec("svc", { stop, ...options }, deps).start({ signal: abort.signal })) as never,
  };
}

function timer(ms: number, fire: () => void): { cancel(): void; hold(): void } {
  const handle = setTimeout(fire, Math.min(ms, 2 ** 30));
  return { cancel: () => clearTimeout(handle), hold() {} };
}

const sh = (code: string): Pick<ServiceOptions, "command" | "args"> => ({ command: "sh", args: ["-c", code] });

test("a service is started again when it was killed, and says with what status it has exited", async () => {
  const tag = newTag();
  const script = startScript(`
    import { service, supervisor } from "tinderbox";
    const sup = await supervisor({ id: "app", maxRestarts: 5, within: "30s", children: [
      service("hot-path", { command: ${JSON.stringify(vice("never-reads-stdin"))}, args: ["${tag}"], ready: /up/ }),
    ] }).start();
    sup.exited.catch((error) => { console.log("gave up:", error.reason, "/", error.cause.message); process.exitCode = 3; });
    console.log("started");
  `);
  await script.see(/started/);
  for (let round = 1; round <= 6; round++) {
    const [pid] = await until("the program", () => (withTag(tag).length === 1 ? withTag(tag) : undefined));
    process.kill(pid!, "SIGKILL");
    await until("its end", () => ended(pid!));
    const starts = () => script.stdout.match(/^hot-path: up$/gm)?.length;
    if (round < 6) await until("its return", () => starts() === round + 1);
  }
  const { code, stdout, stderr } = await script.finished;
  expect(code).toBe(3);
  expect(stderr.match(/^hot-path exited with status 137$/gm)?.length).toBe(6);
  expect(stdout.match(/^hot-path: up$/gm)?.length).toBe(6);
  expect(stdout).toContain("gave up: reached_max_restart_intensity / hot-path exited with status 137");
  expect(withTag(tag)).toEqual([]);
});

test("a service holds the process, and ends with it when the supervisor is stopped", async () => {
  const { code, stdout } = await runScript(`
    import { service, supervisor } from "tinderbox";
    const sup = await supervisor({ id: "app", children: [service("cat", { command: "cat" })] }).start();
    process.on("beforeExit", () => console.log("empty"));
    process.once("SIGUSR2", () => void sup.stop().then(() => console.log("stopped")));
    process.kill(process.pid, "SIGUSR2");
  `);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "stopped\nempty\n" });
});

test.each<[string, NonNullable<ServiceOptions["ready"]>, string]>([
  ["a regular expression", /^listening on \d+$/, "echo starting; echo listening on 7 >&2; exec cat >/dev/null"],
  ["a function", (line) => line.endsWith("7"), "echo starting; echo listening on 7; exec cat >/dev/null"],
])("it is up when %s says so of a line", async (_name, ready, code) => {
  const { start, lines, exits } = keep();
  const child = await start({ ...sh(code), ready });
  expect(lines.some((line) => line.includes("listening on 7"))).toBe(true);
  child.stop("shutdown");
  expect(await child.exited).toBe("shutdown");
  expect(exits).toEqual([expect.objectContaining({ name: "svc", status: 0, wanted: true })]);
});

test("it is up when somebody listens on its port or socket, and not before", async () => {
  const { start } = keep();
  const folder = mkdtempSync(join(testRun.folder, "listen-"));
  const listen = (where: string): ServiceOptions => ({
    command: process.execPath,
    args: ["-e", `setTimeout(() => require("net").createServer().listen(${where}, () => console.log("up")), 100)`],
  });
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
  });
  await new Promise((resolve) => server.close(resolve));
  const socket = join(folder, "s");
  const children = [
    await start({ ...listen(`${port}, "127.0.0.1"`), ready: { port } }),
    await start({ ...listen(JSON.stringify(socket)), ready: { socket } }),
  ];
  expect(await connects({ port }, 1_000)).toBe(true);
  expect(await connects({ socket }, 1_000)).toBe(true);
  for (const child of children) child.stop("shutdown");
  await Promise.all(children.map(({ exited }) => exited));
  expect(await connects({ port }, 1_000)).toBe(false);
});

test("its start fails when it ends before it is ready, is not ready in time, cannot be started, or is called off", async () => {
  const { start, abort } = keep();
  const failure = (options: ServiceOptions): Promise<Error> =>
    start(options).then(
      () => {
        throw new Error("it has started");
      },
      (error: unknown) => error as Error,
    );
  const early = await failure({ ...sh("echo cannot bind >&2; exit 4"), ready: /up/ });
  expect(early).toBeInstanceOf(BinaryStartError);
  expect(early.message).toBe("Cannot start svc: it exited with status 4 before it was ready; it said: cannot bind");
  expect(early.cause).toMatchObject({ status: 4, exitCode: 4, binary: "svc", stderr: "cannot bind" });
  const late = await failure({ ...sh("exec cat"), ready: /up/, readyTimeout: "50ms" });
  expect(late.message).toBe("Cannot start svc: it was not ready within 50 ms");
  expect(await failure({ command: "no-such-program" })).toBeInstanceOf(CommandError);
  const odd = await failure({
    ...sh("echo up; exec cat"),
    ready: () => {
      throw new Error("odd");
    },
  });
  expect(odd.message).toBe("odd");
  const waiting = failure({ ...sh("exec cat"), ready: /up/ });
  abort.abort(new Error("called off"));
  expect((await waiting).message).toBe("called off");
});

test("how it ends is told: normal, a status, a signal, told to", async () => {
  const { start, exits } = keep();
  const done = await start(sh("exit 0"));
  expect(await done.exited).toBe("normal");
  const failed = await (await start(sh("echo one >&2; echo two >&2; exit 7"))).exited;
  expect(failed).toBeInstanceOf(BinaryExitError);
  expect(failed).toMatchObject({
    message: "svc exited with status 7",
    status: 7,
    exitCode: 7,
    stderr: "one\ntwo",
    oom: false,
  });
  const killed = await start(sh("exec cat"));
  process.kill(killed.value.pid, "SIGKILL");
  expect(await killed.exited).toMatchObject({ message: "svc exited with status 137", status: 137, signal: "SIGKILL" });
  const stubborn = await start({ command: vice("ignores-term"), args: ["100000001"], ready: /up/ });
  stubborn.stop("shutdown");
  expect(await stubborn.exited).toBe("shutdown");
  expect(exits.map(({ status, wanted }) => [status, wanted])).toEqual([
    [0, false],
    [7, false],
    [137, false],
    [137, true],
  ]);
});

test("stop('kill') does not wait for the grace", async () => {
  const { start } = keep();
  const child = await start({
    command: vice("ignores-term"),
    args: ["100000002"],
    ready: /up/,
    stop: { grace: "10m" },
  });
  child.stop("shutdown");
  child.stop("kill");
  expect(await child.exited).toBe("shutdown");
});

test("half a line is logged when its writer ends, and bytes that are no text do no harm", async () => {
  const { start, lines } = keep();
  const half = await start({ command: vice("writes-half-a-line"), args: ["100000003"], ready: /up/ });
  half.stop("shutdown");
  await half.exited;
  expect(lines).toEqual(["svc stdout: up", "svc stdout: half of a line 100000003"]);
  const odd = await start({ command: vice("writes-invalid-utf8"), args: ["100000004"], ready: /100000004/ });
  odd.stop("shutdown");
  await odd.exited;
  expect(lines.at(-1)).toBe("svc stdout: \ufffd\ufffd\ufffd 100000004");
});

test("one that fails the first time and succeeds the second is up in the end", async () => {
  const flag = join(mkdtempSync(join(testRun.folder, "second-")), "flag");
  const tag = newTag();
  const restarted = Promise.withResolvers<void>();
  const off = events.on("child.restarted", ({ child }) => child === "second" && restarted.resolve());
  whenTestEnds(() => off[Symbol.dispose]());
  const sup = await supervisor({
    id: "second-time",
    children: [service("second", { command: vice("succeeds-the-second-time"), args: [tag, flag], log: false, stop })],
  }).start();
  await restarted.promise;
  await until("the program", () => withTag(tag).length === 1);
  await sup.stop();
  expect(withTag(tag)).toEqual([]);
});

test("health: one that answers badly too often in a row is ended, and a good answer counts anew", async () => {
  const clock = new FakeClock();
  const { start } = keep();
  const slow = keep(clock);
  const answers: (boolean | "throw" | "hang")[] = [true, false, true, false, "throw"];
  const asked: unknown[] = [];
  const check = (): unknown => {
    const answer = answers.shift();
    asked.push(answer);
    if (answer === "throw") throw new Error("no answer");
    return answer === "hang" ? new Promise(() => {}) : Promise.resolve(answer);
  };
  const child = await slow.start({ ...sh("exec cat"), health: { check, every: "10s", timeout: "2s", failures: 2 } });
  for (let round = 1; round <= 5; round++) {
    clock.advance(9_999);
    expect(asked.length).toBe(round - 1);
    clock.advance(1);
    expect(asked.length).toBe(round);
    await new Promise(setImmediate);
  }
  expect(await child.exited).toMatchObject({
    message: "Cannot keep svc: its health check failed: no answer 2 times in a row; it is ended",
  });
  answers.push("hang");
  const silent = await slow.start({ ...sh("exec cat"), health: { check, timeout: "2s", failures: 1 } });
  clock.advance(10_000);
  await new Promise(setImmediate);
  clock.advance(2_000);
  expect(await silent.exited).toMatchObject({ message: expect.stringContaining("took longer than 2000 ms") as string });
  const deaf = await start({ ...sh("exec cat"), health: { check: { port: 1 }, every: 20, failures: 2 } });
  expect(await deaf.exited).toMatchObject({ message: expect.stringContaining("nobody listens 2 times") as string });
});

test("env is added to that of this process, and undefined takes away; args and cwd are its own", async () => {
  const { start, lines } = keep();
  process.env["SERVICE_TEST"] = "from here";
  whenTestEnds(() => void delete process.env["SERVICE_TEST"]);
  const code = 'echo "$ADDED $SERVICE_TEST ${HOME-no home}"; pwd; echo "$1"';
  const child = await start({
    command: "sh",
    args: ["-c", code, "sh", "a b"],
    env: { ADDED: "1", HOME: undefined },
    cwd: "/usr",
  });
  await child.exited;
  expect(lines).toEqual(["svc stdout: 1 from here no home", "svc stdout: /usr", "svc stdout: a b"]);
});

test("log: a function gets each line, false drops them, and a function that throws hurts nobody", async () => {
  const { start, lines, events: own } = keep();
  const got: string[] = [];
  const log = (line: string, stream: string): void => void got.push(`${stream} ${line}`);
  await (
    await start({ ...sh("echo out; echo err >&2"), log })
  ).exited;
  expect(got.toSorted()).toEqual(["stderr err", "stdout out"]);
  await (
    await start({ ...sh("echo out"), log: false })
  ).exited;
  const failed: unknown[] = [];
  own.on("hook.failed", ({ event }) => failed.push(event));
  const bad = (): never => {
    throw new Error("full");
  };
  expect(await (await start({ ...sh("echo out"), log: bad })).exited).toBe("normal");
  expect(failed).toEqual(["log of service svc"]);
  expect(lines).toEqual([]);
});

test("a service that floods is held up by a slow reader of our output, and costs no memory", async () => {
  const tag = newTag();
  const script = startScript(
    `
    import { service, supervisor } from "tinderbox";
    const sup = await supervisor({ children: [service("flood", { command: "${vice("floods-stdout")}", args: ["${tag}"], stop: { grace: 300 } })] }).start();
    const before = process.memoryUsage().rss;
    process.once("SIGUSR2", async () => { process.stderr.write("grown " + (process.memoryUsage().rss - before) + "\\n"); await sup.stop(); process.exit(); });
  `,
    { timeout: 40_000 },
  );
  await script.see(new RegExp(`flood: ${tag}`));
  script.child.stdout!.pause();
  const cpu = (): number => {
    const [pid] = withTag(tag);
    return pid === undefined ? 0 : pid;
  };
  await until("that the writer sleeps", () => isAsleep(cpu()), { every: 200 });
  script.kill("SIGUSR2");
  await until("its word", () => script.stderr.includes("grown"));
  script.child.stdout!.resume();
  await script.finished;
  expect(Number(/grown (-?\d+)/.exec(script.stderr)![1])).toBeLessThan(64e6);
  await until("its end", () => withTag(tag).length === 0);
});

/** Three looks in a row find it waiting. */
let looks = 0;
function isAsleep(pid: number): boolean {
  looks = !ended(pid) && stateOf(pid) === "S" ? looks + 1 : 0;
  return looks >= 3;
}

test("what makes no sense is refused when it is declared", () => {
  const refused = (name: string, options: object): string => {
    try {
      service(name, options as ServiceOptions);
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
    return "accepted";
  };
  const fine = { command: "cat" };
  expect(refused("a b", fine)).toContain('TypeError: Cannot declare service "a b"');
  expect(refused("a", {})).toContain('Cannot use undefined as "command" of service "a"');
  expect(refused("a", { ...fine, args: "x" })).toContain('as "args" of service "a": an array of strings is wanted');
  expect(refused("a", { ...fine, comand: 1 })).toContain('did you mean "command"?');
  expect(refused("a", { ...fine, ready: { port: 70_000 } })).toContain('as "ready" of service "a"');
  expect(refused("a", { ...fine, ready: { port: 1, sock: "x" } })).toContain('did you mean "socket"?');
  expect(refused("a", { ...fine, stop: { signal: "SIGNOPE" } })).toContain(
    'the name of a signal is wanted, e.g. "SIGINT"',
  );
  expect(refused("a", { ...fine, stop: { grace: "soon" } })).toContain('"grace" of service "a"');
  expect(refused("a", { ...fine, limits: { memory: 5 } })).toContain("1mb or more is wanted");
  expect(refused("a", { ...fine, limits: { cpu: 0 } })).toContain("a number of cores above 0 is wanted");
  expect(refused("a", { ...fine, limits: { pids: 1.5 } })).toContain("a whole number from 1");
  expect(refused("a", { ...fine, health: { check: 5 } })).toContain('as "check" of service "a"');
  expect(refused("a", { ...fine, health: { check: () => true, every: 0 } })).toContain("a time above 0 is wanted");
  expect(refused("a", { ...fine, health: { check: () => true, failures: 0 } })).toContain("a whole number from 1");
  expect(refused("a", { ...fine, log: "x" })).toContain("true, false or a function is wanted");
  expect(refused("a", fine)).toBe("accepted");
});

test("secrets of the environment are in no error and no event", async () => {
  const { start, exits, lines } = keep();
  const env = { PASSWORD: "hunter2hunter2" };
  const error = await (await start({ ...sh("echo no >&2; exit 1"), env })).exited;
  expect(JSON.stringify([error, exits, lines, (error as Error).stack])).not.toContain("hunter2hunter2");
});
