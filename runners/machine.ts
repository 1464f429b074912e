/**
 * What runs on a machine that is not its parent's: comes in at the parent, starts the agent as the local backend does, and stands between
 * the two. No code of users runs in this process: its event loop is always free, and the keys of its connections are in no other.
 *
 * argv: path of a file with what the boot program knows (see `Parameters`), which is removed once it has been read. When this process
 * ends, however it does, whoever started it turns the machine off.
 */
import { readFileSync, rmSync, utimes } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch } from "../src/backends/local.ts";
import { systemClock } from "../src/clock.ts";
import type { Machine } from "../src/ports/backend.ts";
import type { Connection } from "../src/ports/transport.ts";
import { enrol } from "../src/transport/gate-machine.ts";
import { relay } from "../src/transport/relay.ts";
import { listenUnix } from "../src/transport/unix.ts";
import { Waiters } from "../src/waiters.ts";
import { usableFlags } from "./flags.ts";
import { watchNotices } from "./notices.ts";

interface Parameters {
  /** Of the parent; empty where it comes to us. */
  readonly addresses: readonly string[];
  readonly listen: number | null;
  /** Of the parent's certificate. */
  readonly fingerprint: string;
  readonly ticket: string;
  readonly instance: string;
  readonly identity: { readonly document: string; readonly signature: string } | null;
  readonly phases: Readonly<Record<string, number>>;
  /** Touched as long as the parent is heard: who turns the machine off looks at it. */
  readonly parentFile: string | null;
  /** Where the machine's cloud announces what it is going to do, one announcement a line. */
  readonly noticeFile: string | null;
}

/** What an agent may take to finish what it runs once its parent is gone: its own limit, and a little for its end. */
const drainMs = 35_000;
/** What its last words may take to the parent, once it has ended. */
const partingMs = 5_000;
const lingerMs = 200;
const touchMs = 500;
const stayMs = 3_600_000;

const [file = ""] = process.argv.slice(2);
const parameters = JSON.parse(readFileSync(file, "utf8")) as Parameters;
rmSync(file);

const { addresses, listen, fingerprint, instance, phases, identity } = parameters;
const host = await enrol({
  clock: systemClock,
  addresses,
  ...(listen === null ? {} : { listen: { port: listen } }),
  fingerprint,
  ticket: Buffer.from(parameters.ticket, "base64url"),
  claim: { instance, phases, identity: identity ?? undefined },
});
host.hold(true);
stay();
const { grant } = host;

/** Of the agent and its executors; when the parent is lost their ends tell them so. */
const inside = new Set<Connection>();
const ended = new Waiters();
const started: { machine?: Machine } = {};
let lost = false;
let parted = false;
let touchedAt = -Infinity;
/** Lines of the agent that the parent was too slow for. */
let dropped = 0;
let behind = false;

const listener = await listenUnix((connection) => void join(connection));
host.attach({
  ping() {
    touch();
    started.machine?.ping();
  },
  kill: () => started.machine?.kill(),
  release: () => letGo(),
  drain() {
    behind = false;
    if (dropped > 0) print("stderr", `(${dropped} lines were left out: the parent was too slow for them)`);
    dropped = 0;
  },
  closed() {
    parted = true;
    ended.wake();
    letGo();
  },
});

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const { PATH = "", HOME = "", TMPDIR = "/tmp" } = process.env;
const machine = await launch(
  {
    runner: grant.runner,
    pool: "",
    address: listener.address,
    token: Buffer.from(grant.token, "base64url"),
    env: { PATH, HOME, TMPDIR, ...grant.env },
    onParentLoss: grant.onParentLoss,
    bootTimeoutMs: Infinity,
    lifetimeMs: Infinity,
    phase: () => undefined,
    output: print,
    beat: () => host.beat(),
    leaving: () => undefined,
  },
  fileURLToPath(new URL(`agent.${extension}`, import.meta.url)),
  "machine",
  usableFlags(grant.flags, (flag) => print("stderr", `(${flag} is left out: there is no such file on this machine)`)),
);
started.machine = machine;
if (lost) tellAgent();
const notices = watchNotices(parameters.noticeFile, (kind, at) => host.notice(kind, at));

const exit = await machine.exited;
notices.stop();
listener.close();
await ended.until(() => parted || inside.size === 0, partingMs, systemClock);
host.exited(exit);
host.close();
await ended.until(() => parted, partingMs, systemClock);
// The parent's last words may still come: a connection that is closed with something unread takes along what the parent has not read.
await new Promise<void>((resolve) => systemClock.timer(lingerMs, resolve).hold(true));
process.exit(0);

/** Once the parent is gone nothing else would keep this process, and so the machine, for as long as its agent finishes what it runs. */
function stay(): void {
  systemClock.timer(stayMs, stay).hold(true);
}

/** The parent is heard: the file has another time, and which is of no meaning. */
function touch(): void {
  const now = systemClock.now();
  if (parameters.parentFile === null || now - touchedAt < touchMs) return;
  touchedAt = now;
  const seconds = systemClock.wall() / 1000;
  utimes(parameters.parentFile, seconds, seconds, () => undefined);
}

function print(stream: "stdout" | "stderr", line: string): void {
  if (behind) dropped++;
  else behind = !host.output(stream, line);
}

/** A connection that the agent has made goes on to the parent. */
async function join(connection: Connection): Promise<void> {
  const over = (): void => {
    inside.delete(connection);
    ended.wake();
  };
  inside.add(connection);
  try {
    relay(connection, await host.data(), over);
  } catch {
    connection.destroy();
    over();
  }
}

function letGo(): void {
  if (lost) return;
  lost = true;
  tellAgent();
}

/** As it would hear of a parent on this machine: its connections end, and it finishes what it runs or dies, by what it was told. */
function tellAgent(): void {
  listener.close();
  for (const connection of inside) connection.destroy();
  const { machine: agent } = started;
  agent?.exitNow();
  systemClock.timer(drainMs, () => agent?.kill());
}
