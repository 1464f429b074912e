/** Backends with one vice each, made of local(), and the cases that have to notice it. */
import { randomBytes } from "node:crypto";
import type { Backend, BootRequest, Machine } from "../../src/ports/backend.ts";
import type { BackendUnderTest } from "../../src/testing.ts";
import { make } from "./local-under-test.ts";

export interface Mutant {
  spoil(made: BackendUnderTest): BackendUnderTest;
  readonly noticedBy: readonly string[];
}

type Booted = { readonly request: BootRequest; readonly machine: Machine };

/** Another request, another machine. */
function boots(
  ask: (request: BootRequest) => BootRequest,
  give: (booted: Booted) => Machine = ({ machine }) => machine,
): Mutant["spoil"] {
  return (made) => {
    const boot: Backend["boot"] = async (request) => {
      const changed = ask(request);
      return give({ request: changed, machine: await made.backend.boot(changed) });
    };
    return { ...made, backend: { ...made.backend, boot } };
  };
}

const same = (request: BootRequest): BootRequest => request;
const machines = (give: (booted: Booted) => Partial<Machine>): Mutant["spoil"] =>
  boots(same, (booted) => {
    // With its getters.
    return Object.defineProperties({ ...booted.machine }, Object.getOwnPropertyDescriptors(give(booted)));
  });
const backends = (change: (backend: Backend) => Partial<Backend>): Mutant["spoil"] => {
  return (made) => ({ ...made, backend: { ...made.backend, ...change(made.backend) } });
};
const withEnv = (env: (request: BootRequest) => Record<string, string>): Mutant["spoil"] =>
  boots((request) => ({ ...request, env: { ...request.env, ...env(request) } }));

/** Runs in each process of the runner before anything else. */
function preload(text: string, give?: (booted: Booted) => Partial<Machine>): Mutant["spoil"] {
  const url = `data:text/javascript;base64,${Buffer.from(text).toString("base64")}`;
  return boots(
    (request) => {
      const before = request.env["NODE_OPTIONS"] ?? "";
      return { ...request, env: { ...request.env, NODE_OPTIONS: `${before} --import=${url}` } };
    },
    (booted) => ({ ...booted.machine, ...give?.(booted) }),
  );
}

/** The guard is what `text` makes of its class and its options. */
const guarded = (text: string): string => `
  import threads from "node:worker_threads"; import net from "node:net"; import { syncBuiltinESMExports } from "node:module";
  const Real = threads.Worker;
  class None { on() {} unref() {} terminate() {} }
  threads.Worker = ${text};
  syncBuiltinESMExports();`;

const outputs = (change: (request: BootRequest) => BootRequest["output"]): Mutant["spoil"] =>
  boots((request) => ({ ...request, output: change(request) }));

const unmarks = `delete process.env.TINDERBOX_MARK;`;
const immortal = `${guarded("None")} process.exit = () => {}; process.reallyExit = () => {}; process.on("uncaughtException", () => {}); setInterval(() => {}, 1000);`;

const parentKilled = "a parent that was killed: a machine with onParentLoss";
const parentExits = "a parent that exits, and says so by exitNow: a machine with onParentLoss";
const gone = "is gone at once, with everything that it started";
const drains = "finishes what it runs, and is gone then";

export const mutants: Readonly<Record<string, Mutant>> = {
  "has defaults without sense": {
    spoil: backends(({ defaults }) => ({ defaults: { ...defaults, max: 0 } })),
    noticedBy: ["defaults make sense"],
  },
  "shows another token": {
    spoil: boots((request) => ({ ...request, token: randomBytes(32) })),
    noticedBy: ["a machine dials the address, and shows the token and the name that it was given"],
  },
  "uses another name": {
    spoil: boots((request) => ({ ...request, runner: "another" })),
    noticedBy: ["a machine dials the address, and shows the token and the name that it was given"],
  },
  "waits for the machine": {
    spoil(made) {
      const boot: Backend["boot"] = async (request) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        const machine = await made.backend.boot({ ...request, beat: () => (resolve(), request.beat()) });
        await promise;
        return machine;
      };
      return { ...made, backend: { ...made.backend, boot } };
    },
    noticedBy: ["boot resolves before the machine is ready"],
  },
  "says nothing of a machine that it cannot ask for": {
    spoil(made) {
      const silent = { id: "1", exited: new Promise<never>(() => {}), ping() {}, kill() {}, exitNow() {} };
      const backend = { ...made.impossible!.backend, boot: async () => silent };
      return { ...made, impossible: { backend, permanent: false } };
    },
    noticedBy: ["boot rejects when no machine can be asked for, and says whether trying again can help"],
  },
  "says that trying again cannot help": {
    spoil(made) {
      const boot = () => Promise.reject(Object.assign(new Error("no"), { permanent: true }));
      return { ...made, impossible: { backend: { ...made.backend, boot }, permanent: false } };
    },
    noticedBy: ["boot rejects when no machine can be asked for, and says whether trying again can help"],
  },
  "tells a phase twice": {
    spoil: boots((request) => ({ ...request, phase: (name) => (request.phase(name), request.phase(name)) })),
    noticedBy: ["phases have names, come in their order, each once, and none after the end"],
  },
  "tells phases in the wrong order": {
    spoil: boots((request) => ({
      ...request,
      phase: (name) => request.phase(name === "requested" ? "started" : name),
    })),
    noticedBy: ["phases have names, come in their order, each once, and none after the end"],
  },
  "tells a phase after the end": {
    spoil: machines(({ request, machine }) => {
      const exited = machine.exited.then((exit) => (setImmediate(() => request.phase("over")), exit));
      return { exited };
    }),
    noticedBy: ["phases have names, come in their order, each once, and none after the end"],
  },
  "tells no phases": {
    spoil: boots((request) => ({ ...request, phase: () => {} })),
    noticedBy: ["phases have names, come in their order, each once, and none after the end"],
  },
  "passes the parent's environment on": {
    spoil: withEnv(() => process.env as Record<string, string>),
    noticedBy: ["the environment is the one that was asked for, and nothing of the parent's leaks"],
  },
  "forgets empty variables": {
    spoil: boots((request) => ({
      ...request,
      env: Object.fromEntries(Object.entries(request.env).filter(([, value]) => value !== "")),
    })),
    noticedBy: ["the environment is the one that was asked for, and nothing of the parent's leaks"],
  },
  "cuts values at line ends": {
    spoil: boots((request) => ({
      ...request,
      env: Object.fromEntries(Object.entries(request.env).map(([name, value]) => [name, value.split("\n")[0]!])),
    })),
    noticedBy: ["the environment is the one that was asked for, and nothing of the parent's leaks"],
  },
  "has the token in the environment": {
    spoil: withEnv(({ token }) => ({ TOKEN: token.toString("base64url") })),
    noticedBy: ["the token is nowhere in the arguments or the environment of the runner"],
  },
  "gives all machines one id": {
    spoil: machines(() => ({ id: "1" })),
    noticedBy: ["several machines come in at once by one listener, each by its own token"],
  },
  "ends all machines with one": {
    spoil(made) {
      const all: Machine[] = [];
      const kill = (): void => all.forEach((machine) => machine.kill());
      return machines(({ machine }) => (all.push(machine), { kill }))(made);
    },
    noticedBy: ["several machines come in at once by one listener, each by its own token"],
  },
  "listens in one place only": {
    spoil: backends(({ listen }) => {
      let only: ReturnType<Backend["listen"]> | undefined;
      return { listen: (accept) => (only ??= listen(accept)) };
    }),
    noticedBy: ["two listeners are two places, each with its own machines"],
  },
  "does not close its listener": {
    spoil: backends(({ listen }) => ({
      async listen(accept) {
        const found = await listen(accept);
        open.push(() => found.close());
        return { ...found, close() {} };
      },
    })),
    noticedBy: ["a listener may be closed twice, and then lets nobody in"],
  },
  "cannot close its listener twice": {
    spoil: backends(({ listen }) => ({
      async listen(accept) {
        const found = await listen(accept);
        let closed = false;
        const close = (): void => {
          if (closed) throw new Error("closed already");
          closed = true;
          found.close();
        };
        return { ...found, close };
      },
    })),
    noticedBy: ["a listener may be closed twice, and then lets nobody in"],
  },
  "does not ping": {
    spoil: machines(() => ({ ping() {} })),
    noticedBy: ["a ping brings a beat", "a ping brings a beat also while a call blocks the event loop"],
  },
  "does not pass beats on": {
    spoil: boots((request) => ({ ...request, beat() {} })),
    noticedBy: ["a ping brings a beat"],
  },
  "beats by its event loop": {
    spoil: preload(
      guarded(`class extends None {
      constructor() { super(); const socket = new net.Socket({ fd: 3 }); socket.on("data", (beat) => socket.write(beat)); socket.write("x"); }
    }`),
    ),
    noticedBy: ["a ping brings a beat also while a call blocks the event loop"],
  },
  "beats by itself": {
    spoil: machines(({ request, machine }) => {
      const timer = setInterval(() => request.beat(), 100).unref();
      void machine.exited.then(() => clearInterval(timer));
      return {};
    }),
    noticedBy: ["without a ping there are no beats"],
  },
  "cannot ping what has ended": {
    spoil: machines(({ machine }) => {
      let over = false;
      void machine.exited.then(() => (over = true));
      return {
        ping() {
          if (over) throw new Error("it has ended");
          machine.ping();
        },
      };
    }),
    noticedBy: ["a ping before the machine is up, and after its end, does nothing"],
  },
  "answers pings for a machine that has ended": {
    spoil: machines(({ request, machine }) => ({ ping: () => (machine.ping(), setImmediate(() => request.beat())) })),
    noticedBy: ["a ping before the machine is up, and after its end, does nothing"],
  },
  "hears nothing before the connection": {
    spoil(made) {
      const boot: Backend["boot"] = (request) => {
        let up = false;
        const output: BootRequest["output"] = (stream, line) => (up ? request.output(stream, line) : undefined);
        return made.backend.boot({ ...request, output, beat: () => ((up = true), request.beat()) });
      };
      return { ...made, backend: { ...made.backend, boot } };
    },
    noticedBy: ["a line that was printed before the connection is heard, of both streams"],
  },
  "hears no errors": {
    spoil: outputs(
      ({ output }) =>
        (stream, line) =>
          stream === "stderr" ? undefined : output(stream, line),
    ),
    noticedBy: [
      "a line that was printed before the connection is heard, of both streams",
      "a line that was printed past the connection is heard, of both streams, each once and in order",
    ],
  },
  "takes errors for output": {
    spoil: outputs(
      ({ output }) =>
        (_stream, line) =>
          output("stdout", line),
    ),
    noticedBy: ["a line that was printed past the connection is heard, of both streams, each once and in order"],
  },
  "hears each line twice": {
    spoil: outputs(
      ({ output }) =>
        (stream, line) => (output(stream, line), output(stream, line)),
    ),
    noticedBy: ["a line that was printed past the connection is heard, of both streams, each once and in order"],
  },
  "mixes lines up": {
    spoil: outputs(({ output }) => {
      let kept: string | undefined;
      return (stream, line) => {
        if (stream !== "stdout" || kept === line) return output(stream, line);
        if (kept === undefined && line === "out 50") return void (kept = line);
        output(stream, line);
        if (kept !== undefined && line === "out 51") output(stream, kept);
      };
    }),
    noticedBy: ["a line that was printed past the connection is heard, of both streams, each once and in order"],
  },
  "reads other characters than were written": {
    spoil: outputs(
      ({ output }) =>
        (stream, line) =>
          output(stream, Buffer.from(line).toString("latin1")),
    ),
    noticedBy: ["a line that was printed past the connection is heard, of both streams, each once and in order"],
  },
  "hears only the runner itself": {
    spoil: outputs(
      ({ output }) =>
        (stream, line) =>
          line.includes("child") ? undefined : output(stream, line),
    ),
    noticedBy: ["a program that a call has started is heard, too"],
  },
  "loses last words": {
    spoil: outputs(
      ({ output }) =>
        (stream, line) =>
          line === "last words" ? undefined : output(stream, line),
    ),
    noticedBy: ["last words are heard, also a line without its end"],
  },
  "loses lines without an end": {
    spoil: outputs(
      ({ output }) =>
        (stream, line) =>
          line.startsWith("half") ? undefined : output(stream, line),
    ),
    noticedBy: ["last words are heard, also a line without its end"],
  },
  "tells no exit code": {
    spoil: machines(({ machine }) => ({ exited: machine.exited.then(() => ({ reason: "it ended" })) })),
    noticedBy: [
      "a machine that exits tells its exit code",
      "a machine whose process dies of a signal tells which",
      "a machine that has drained exits with code 0",
    ],
  },
  "tells a signal as an exit code": {
    spoil: machines(({ machine }) => ({
      exited: machine.exited.then((exit) => (exit.signal ? { ...exit, exitCode: 137 } : exit)),
    })),
    noticedBy: ["a machine whose process dies of a signal tells which"],
  },
  "ends a machine that drains": {
    spoil: preload(`setTimeout(() => process.exit(1), 350).unref();`),
    noticedBy: ["a machine that has drained exits with code 0"],
  },
  "tells the end at once": {
    spoil: machines(() => ({ exited: Promise.resolve({ exitCode: 0 }) })),
    noticedBy: ["exited is not told while the machine is up, and then always tells the same"],
  },
  "tells the end when it kills": {
    spoil: machines(({ machine }) => {
      const { promise: exited, resolve } = Promise.withResolvers<{ signal: string }>();
      const kill = (): void => (resolve({ signal: "SIGKILL" }), void setTimeout(() => machine.kill(), 300));
      return { exited, kill };
    }),
    noticedBy: ["exited is not told while the machine is up, and then always tells the same"],
  },
  "never tells the end": {
    spoil: machines(() => ({ exited: new Promise<never>(() => {}) })),
    noticedBy: [
      "a machine that exits tells its exit code",
      "a pool: closing lets calls finish, and all machines are gone when it resolves",
    ],
  },
  "rejects at the end": {
    spoil: machines(({ machine }) => ({
      exited: machine.exited.then(() => Promise.reject<never>(new Error("it ended"))),
    })),
    noticedBy: ["a machine that exits tells its exit code"],
  },
  "does not kill": {
    spoil: machines(() => ({ kill() {} })),
    noticedBy: [
      "kill ends a machine at once, with everything that it started",
      "kill ends a machine whose event loop is blocked",
      "kill may come again, before the machine is up, and after its end; it never throws",
    ],
  },
  "kills by asking": {
    spoil: preload(`process.on("SIGTERM", () => process.exit(0));`, ({ machine }) => ({
      kill: () => signal(machine, "SIGTERM"),
    })),
    noticedBy: ["kill ends a machine whose event loop is blocked"],
  },
  "spares what has left": {
    spoil: preload(unmarks),
    noticedBy: [
      "kill ends a machine at once, with everything that it started",
      "what a machine that ended by itself has started is gone with it",
      "a machine ends by itself at the age that it was given, whatever it runs",
      `${parentKilled} "kill" ${gone}`,
    ],
  },
  "cannot kill twice": {
    spoil: machines(({ machine }) => {
      let killed = false;
      return {
        kill() {
          if (killed) throw new Error("killed already");
          killed = true;
          machine.kill();
        },
      };
    }),
    noticedBy: ["kill may come again, before the machine is up, and after its end; it never throws"],
  },
  "cannot kill what is not up": {
    spoil(made) {
      const boot: Backend["boot"] = async (request) => {
        let up = false;
        const machine = await made.backend.boot({ ...request, beat: () => ((up = true), request.beat()) });
        return { ...machine, kill: () => (up ? machine.kill() : undefined) };
      };
      return { ...made, backend: { ...made.backend, boot } };
    },
    noticedBy: ["kill may come again, before the machine is up, and after its end; it never throws"],
  },
  "tells another end when it is killed late": {
    spoil: machines(({ machine }) => {
      let exited: Machine["exited"] = machine.exited;
      return {
        get exited() {
          return exited;
        },
        kill() {
          machine.kill();
          exited = machine.exited.then(() => ({ signal: "SIGKILL" }));
        },
      };
    }),
    noticedBy: ["kill may come again, before the machine is up, and after its end; it never throws"],
  },
  "does nothing when its parent exits": {
    spoil: machines(() => ({ exitNow() {} })),
    noticedBy: ["exitNow ends a machine that is to be killed with its parent, with everything that it started"],
  },
  "takes its time when its parent exits": {
    spoil: machines(({ machine }) => ({ exitNow: () => Promise.resolve().then(() => machine.exitNow()) as never })),
    noticedBy: ["exitNow ends a machine that is to be killed with its parent, with everything that it started"],
  },
  "ends a machine that drains when its parent exits": {
    spoil: machines(({ machine }) => ({ exitNow: () => machine.kill() })),
    noticedBy: ["exitNow leaves a machine alone that is to finish what it runs", `${parentExits} "drain" ${drains}`],
  },
  "knows no age": {
    spoil: preload(
      guarded(
        "class extends Real { constructor(url, options) { options.workerData.guard.lifetimeMs = 0; super(url, options); } }",
      ),
    ),
    noticedBy: ["a machine ends by itself at the age that it was given, whatever it runs"],
  },
  "outlives its parent": {
    spoil: preload(immortal),
    noticedBy: [
      "a machine that its parent has let go of ends by itself, whatever it runs",
      "neither a listener nor a machine that boots keeps the parent alive, and the machine goes with it",
      "a machine that is up does not keep the parent alive, and goes with it",
      `${parentKilled} "kill" ${gone}`,
      `${parentKilled} "drain" ${drains}`,
    ],
  },
  "outlives its parent, which does not end it": {
    spoil: (made) => machines(() => ({ exitNow() {} }))(preload(immortal)(made)),
    noticedBy: [`${parentExits} "kill" ${gone}`],
  },
  "keeps the parent alive while it listens": {
    spoil: backends(({ listen }) => ({ listen: (accept) => (hold(), listen(accept)) })),
    noticedBy: ["neither a listener nor a machine that boots keeps the parent alive, and the machine goes with it"],
  },
  "keeps the parent alive while a machine is up": {
    spoil: machines(() => (hold(), {})),
    noticedBy: ["a machine that is up does not keep the parent alive, and goes with it"],
  },
  "knows no drain": {
    spoil: boots((request) => ({ ...request, onParentLoss: "kill" })),
    noticedBy: [
      "exitNow leaves a machine alone that is to finish what it runs",
      `${parentKilled} "drain" ${drains}`,
      `${parentExits} "drain" ${drains}`,
    ],
  },
  "has one machine in its life": {
    spoil(made) {
      let booted = 0;
      const boot: Backend["boot"] = (request) =>
        ++booted > 1 ? Promise.reject(new Error("there is no other")) : made.backend.boot(request);
      return { ...made, backend: { ...made.backend, boot } };
    },
    noticedBy: [
      "a pool: it grows to max, and each runner is a machine of its own",
      "a pool: a call whose runner is lost fails, or is made again on another where that is allowed",
      "a pool: a runner that is idle for long enough goes, and a call brings another",
    ],
  },
  "has machines for one call": {
    spoil: preload(`
      import { Socket } from "node:net";
      let calls = 0;
      const { write } = Socket.prototype;
      Socket.prototype.write = function (...given) {
        if (++calls === 8) process.exit(1);
        return write.apply(this, given);
      };`),
    noticedBy: ["a pool: calls give values and errors, and its runners take more than one after another"],
  },
  "ends a machine that has several things to do": {
    spoil: preload(`setTimeout(() => process.exit(1), 100).unref();`),
    noticedBy: [
      "a pool: concurrency is how many calls one runner has at a time",
      "a pool: of several executors one dies alone, and another comes for it",
      "a pool: a call that is aborted ends, and its runner goes on",
      "a pool: closing lets calls finish, and all machines are gone when it resolves",
    ],
  },
};

/** What a mutant has kept open: for the test to close. */
export const open: (() => void)[] = [];

function hold(): void {
  const timer = setInterval(() => undefined, 1_000);
  open.push(() => clearInterval(timer));
}

function signal({ id }: Machine, name: NodeJS.Signals): void {
  try {
    process.kill(Number(id), name);
  } catch {
    // It has ended.
  }
}

/** The vice that the query of the module's URL names: for parents in other processes. */
export function makeSpoilt(name: string): BackendUnderTest {
  return mutants[name]!.spoil(make());
}
