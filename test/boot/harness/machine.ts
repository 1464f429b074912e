import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { testRun } from "../../harness/run.ts";
import { until } from "../../harness/until.ts";
import { whenTestEnds, whenTestFails } from "./beside.ts";

export interface MachineOptions {
  readonly userData: string;
  /**
   * What `poweroff` does when it is asked: ends the machine; hangs unless it is forced; hangs always; or is only
   * recorded. @default "end"
   */
  readonly poweroff?: "end" | "force" | "hang" | "record";
  /** How often the user data is run. @default 1 */
  readonly runs?: number;
  /** Bash, sourced in the machine's root (with the host's still in sight) before it starts. */
  readonly prepare?: string;
  /** Bash, run by the machine's init after the user data. */
  readonly after?: string;
  /** Size of the file system that downloads are put on. @default that of the machine's memory */
  readonly fetchBytes?: number;
  /** Whether the machine's init is systemd, with the real `poweroff`. @default false */
  readonly systemd?: boolean;
  /** Further files in /host of the machine. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A machine in namespaces of its own, which has run since it was made. */
export interface BootMachine {
  /** Where its servers are: Unix sockets `metadata`, `bucket` and `aws` in this folder. */
  readonly folder: string;
  console(): string;
  /** Waits for a match in the console. */
  see(pattern: RegExp, within?: number): Promise<RegExpMatchArray>;
  /** Resolves when it is off: with the calls of `poweroff`, each `<uptime> <arguments>`. */
  off(within?: number): Promise<readonly string[]>;
  /** Calls of `poweroff` so far. */
  asked(): readonly string[];
  /** Runs bash in the machine; gives its output. */
  inside(script: string): string;
  /** A file that the machine wrote into /host. */
  file(name: string): string | undefined;
}

const here = fileURLToPath(new URL(".", import.meta.url));

/** What keeps machines from being made here, or undefined. */
export function absence(): string | undefined {
  if (process.platform !== "linux") return "it needs Linux";
  const tried = spawnSync("unshare", [
    "--net",
    "--mount",
    "--pid",
    "--uts",
    "--ipc",
    "--fork",
    "sh",
    "-c",
    "ip link set lo up",
  ]);
  if (tried.error) return tried.error.message;
  return tried.status === 0 ? undefined : `unshare: ${tried.stderr.toString().trim()}`;
}

const systemdGroups = "/sys/fs/cgroup/systemd";

/** What keeps systemd from being a machine's init here, or undefined. */
export function systemdAbsence(): string | undefined {
  const wanted = ["/lib/systemd/systemd", "/usr/bin/systemd-run", "/usr/bin/script"];
  const missing = wanted.find((path) => !existsSync(path));
  return missing === undefined ? absence() : `${missing} is not there`;
}

/** A control group for one machine, removed with what is in it when the test is over. */
function controlGroup(): string {
  const group = mkdtempSync(join(existsSync(systemdGroups) ? systemdGroups : "/sys/fs/cgroup", "tinderbox-boot-"));
  whenTestEnds(async () => {
    const remove = () => spawnSync("find", [group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
    await until("the control group be gone", () => (remove(), !existsSync(group)));
  });
  return group;
}

/** A folder for a machine's sockets; the servers come first. */
export function machineFolder(): string {
  const folder = mkdtempSync(join(testRun.folder, "boot-"));
  whenTestEnds(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function startMachine(folder: string, options: MachineOptions): BootMachine {
  const host = join(folder, "host");
  mkdirSync(host);
  const files: Record<string, string | undefined> = {
    "user-data": options.userData,
    mode: options.poweroff ?? "end",
    runs: String(options.runs ?? 1),
    init: readFileSync(join(here, "init.sh"), "utf8"),
    prepare: options.prepare,
    after: options.after,
    ...options.files,
  };
  for (const [name, text] of Object.entries(files)) if (text !== undefined) writeFileSync(join(host, name), text);
  const group = options.systemd ? controlGroup() : "";
  const settings = [`fetch_bytes=${options.fetchBytes ?? 0}`, `systemd=${options.systemd ? 1 : 0}`, `cgroup=${group}`];
  writeFileSync(join(folder, "settings"), settings.join("\n"));
  for (const name of ["cloud.sh", "root.sh", "relay.py", "poweroff"]) cpSync(join(here, name), join(folder, name));
  const script = join(folder, "cloud.sh");
  const child = spawn("unshare", ["--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "bash", script, folder], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TINDERBOX_TEST_RUN: testRun.marker },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (data) => (text += data));
  // Its last words may come after its exit.
  let closed = false;
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve(void (closed = true))));
  whenTestFails(() => console.error(`--- console\n${text}---`));
  whenTestEnds(async () => {
    end(child);
    await ended;
  });
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");
  const asked = (): readonly string[] => read(join(host, "poweroff")).split("\n").filter(Boolean);
  return {
    folder,
    console: () => text,
    see: (pattern, within = 30_000) =>
      until(
        `${String(pattern)} on the console`,
        () => {
          const found = text.match(pattern);
          if (!found && closed) throw new Error(`Cannot see ${String(pattern)}: the machine is off`);
          return found;
        },
        { within },
      ),
    async off(within = 30_000) {
      await until("the machine be off", () => closed, { within });
      return asked();
    },
    asked,
    inside(command) {
      const found = spawnSync("nsenter", ["--target", String(initOf(child)), "--all", "bash", "-c", command], {
        env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
        encoding: "utf8",
        timeout: 10_000,
        killSignal: "SIGKILL",
      });
      return found.stdout + found.stderr;
    },
    file(name) {
      const path = join(host, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
  };
}

/** The network's first process goes, and everything in its namespace with it. */
function end(child: ChildProcess): void {
  child.kill("SIGKILL");
}

/** The machine's first process: below the unshare below the network's first process. */
function initOf(child: ChildProcess): number {
  const children = (pid: number): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  const command = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, "utf8");
  const search = (pids: number[]): number | undefined => {
    const machine = pids.find((pid) => command(pid).includes("--uts"));
    if (machine !== undefined && command(machine).startsWith("unshare")) return children(machine)[0];
    return pids.length === 0 ? undefined : search(pids.flatMap(children));
  };
  const init = search(children(child.pid ?? 0));
  if (init === undefined) throw new Error("Cannot enter the machine: it has ended");
  return init;
}
