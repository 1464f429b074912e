/**
 * What boots on a machine: connects to the parent, proves who it is, and runs what it is sent. Ends with the parent.
 * A machine with several executors starts each of them as a process that runs this very file.
 *
 * argv: address of the parent's socket, id of this runner. Descriptor 3: the guard stream; its first 32 bytes are the
 * token, which is never in argv or in the environment.
 */
import { readSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { numberUnitsFrom } from "../src/closure/numbers.ts";
import { systemClock } from "../src/clock.ts";
import { place } from "../src/context.ts";
import { longestLine } from "../src/lines.ts";
import { killMarked, markVariable } from "../src/mark.ts";
import { removeFoldersOf, removeScratch } from "../src/scratch.ts";
import { dialUnix } from "../src/transport/unix.ts";
import { type Message, hopelessExit, protocolVersion } from "../src/wire/messages.ts";
import { Session } from "../src/wire/session.ts";
import type { Crew } from "./crew.ts";
import { Executor } from "./executor.ts";
import { startGuard } from "./guard.ts";
import { offerPrograms } from "./programs.ts";
import { installHooks } from "./modules.ts";
import { captureOutput } from "./output.ts";
import { describeUpkeep, endUpkeep } from "./upkeep.ts";

const guardDescriptor = 3;
const drainGraceMs = 30_000;
const adoptionMs = 50;

const [address, id] = process.argv.slice(2) as [string, string];
const [role, onParentLoss, parent] = (process.env["TINDERBOX_RUNNER"] ?? "").split(" ");
const drainOnLoss = onParentLoss === "drain";
delete process.env["TINDERBOX_RUNNER"];
// What user code sees is its own command line, not ours.
process.argv.length = 2;

/** The last of the marks is that of this process; those before it are of whoever has started it. */
const [ownMark] = /[^;]+;$/.exec(process.env[markVariable] ?? "") ?? [];
const token = readToken();
const connection = await dialUnix(address).catch(orphaned);
let executor: Executor | undefined;
let crew: Crew | undefined;
let exiting = false;
/** The parent's temporary folder is the one that is cleared away behind us. */
const scratch = {
  base: dirname(dirname(address)),
  machine: role === "machine" ? process.pid : process.ppid,
  executor: process.pid,
};

const session = new Session(connection, {
  message: (message) => receive(message),
  closed: () => parentLost(),
  drained: () => output.drained(),
});
session.send({ type: "hello", token, protocol: protocolVersion, runner: id, node: process.version, release: "" });
const output = captureOutput(
  () => currentCall() ?? 0,
  (call, stream, line) => {
    tell({ type: "log", id: call, stream, line });
    // Last words must not wait for a tick that may never come.
    if (exiting || stream === "stderr") session.flush();
  },
  () => session.blocked,
);
process.on("exit", () => {
  exiting = true;
  removeScratch(role === "machine" ? { ...scratch, executor: undefined } : scratch);
  output.flush();
  session.flush();
});
process.on("uncaughtException", fault);
process.on("unhandledRejection", fault);

function receive(message: Message): void {
  switch (message.type) {
    case "welcome":
      void welcome(message);
      break;
    case "module":
      executor!.module(message);
      break;
    case "call":
      executor!.call(message);
      break;
    case "cancel":
      executor!.cancel(message.id, message.value);
      break;
    case "close":
      void executor!.close(message.id);
      break;
    case "ref-call":
    case "ref-result":
    case "ref-release":
    case "item":
    case "credit":
      executor!.live(message);
      break;
    case "start":
      void crew!.start(message.id, message.token);
      break;
    case "stop":
      crew!.stop(message.id);
      break;
    case "drain":
      (executor ?? crew)!.drain(() => void endUpkeep().then(() => session.send({ type: "drain" })));
      break;
    case "tree":
      tell({ type: "tree", id: message.id, text: describeUpkeep() });
      break;
    case "ack":
      process.exit(0);
      break;
    default:
      break;
  }
}

type Welcome = Extract<Message, { type: "welcome" }>;

async function welcome({ pool, entry, executors, lifetimeMs, units, secrets }: Welcome): Promise<void> {
  place.runner = { id, pool };
  const send = (answer: Message): void => (prompt.has(answer.type) ? tell(answer) : session.send(answer));
  if (executors > 0) {
    // Most machines have one executor, which then is this process: they do not pay for what the others need.
    const { Crew: Executors } = await import("./crew.ts");
    const agent = fileURLToPath(import.meta.url);
    const print = (stream: "stdout" | "stderr", line: string): void => void process[stream].write(`${line}\n`);
    crew = new Executors({
      agent,
      address,
      runner: id,
      pool,
      onParentLoss: drainOnLoss ? "drain" : "kill",
      send,
      output: print,
    });
  } else {
    for (const { name, value } of secrets) process.env[name] = value;
    installHooks(entry);
    offerPrograms();
    numberUnitsFrom(units);
    executor = new Executor(place.runner, scratch, units, send, output.flush);
  }
  guard(lifetimeMs);
  session.send({ type: "ready" });
  session.flush();
}

/** The call that this code belongs to, also when it has ended long ago. */
function currentCall(): number | undefined {
  return (place.calls.getStore() as { id?: number } | undefined)?.id;
}

/** Where it cannot be told whose fault it is, any of those that run may have done it. */
function fault(error: unknown): void {
  const culprit = currentCall();
  const text = error instanceof Error ? (error.stack ?? error.message) : inspect(error);
  session.send({
    type: "fault",
    calls: culprit === undefined ? (executor?.running ?? []) : [culprit],
    text: text.replace(/[?&]flame=[0-9a-f]+/g, "").slice(0, longestLine),
  });
  session.flush();
}

/** What others wait for while the closure goes on computing. */
const prompt: ReadonlySet<Message["type"]> = new Set(["progress", "item", "ref-call", "accepted", "nested"]);

/** Words that may leave by a write of their own: as many as this at once, and one more per millisecond. */
const mostWords = 100;
let words = mostWords;
let toldAt = systemClock.now();

/** What a closure says while it computes must not wait for its end; one that says much is not to pay for each word. */
function tell(message: Message): void {
  session.send(message);
  const now = systemClock.now();
  words = Math.min(mostWords, words + now - toldAt);
  toldAt = now;
  if (words < 1) return;
  words--;
  session.flush();
}

function parentLost(): void {
  const work = executor ?? crew;
  if (drainOnLoss && work) work.drain(() => void endUpkeep().then(orphaned));
  else orphaned();
}

/**
 * A parent that was killed leaves its socket behind; its runners are the last who know of it. One that lives has only
 * ended this conversation: the system needs a moment to give the children of a dead process to another.
 */
function orphaned(): never {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, adoptionMs);
  if (role === "machine") {
    if (process.ppid !== Number(parent)) removeFoldersOf(dirname(dirname(address)), Number(parent));
    // After the exit handlers of user code: nobody is left to end what it has started.
    process.on("exit", () => {
      if (ownMark !== undefined) killMarked({ mark: ownMark });
      process.kill(0, "SIGKILL");
    });
  }
  process.exit(0);
}

/** Before the first call: one that blocks the loop from its first line on must not outlive a killed parent. */
function guard(lifetimeMs: number): void {
  // Without its machine an executor has nothing to wait for: it is told of the parent by its connection.
  const machine = role === "machine";
  const graceMs = drainOnLoss && machine ? drainGraceMs : 0;
  const options = {
    fd: guardDescriptor,
    graceMs,
    lifetimeMs,
    parent: machine ? { pid: Number(parent), base: scratch.base } : undefined,
    mark: ownMark,
  };
  try {
    startGuard(options, parentLost);
  } catch (error) {
    const denied = (error as { code?: unknown }).code === "ERR_ACCESS_DENIED";
    const reason = error instanceof Error ? error.message : String(error);
    const fix = denied ? "; under --permission add --allow-worker" : "";
    process.stderr.write(`Cannot start the guard: ${reason}${fix}\n`);
    process.exit(hopelessExit);
  }
}

function readToken(): Buffer {
  const bytes = Buffer.alloc(32);
  for (let filled = 0; filled < bytes.length;) {
    const count = readSync(guardDescriptor, bytes, filled, bytes.length - filled, null);
    if (count === 0) orphaned();
    filled += count;
  }
  return bytes;
}
