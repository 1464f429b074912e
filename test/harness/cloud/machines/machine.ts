import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, readFileSync, readlinkSync, readSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { LaunchOrder } from "../machine-host.ts";
import { command, ip, path } from "./command.ts";
import { clockLibrary } from "./clock-library.ts";
import { Limits } from "./limits.ts";
import { macOf } from "./metadata.ts";
import type { Subnet } from "./protocol.ts";
import { Steps } from "./steps.ts";

export interface Site {
  readonly base: string;
  readonly subnet: Subnet;
  /** A Debian with cloud-init that is booted instead of our own init. */
  readonly debian: string | undefined;
  /** Folders of cgroups in which each machine gets one of its own. */
  readonly limits: readonly string[];
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** Files of a machine are memory, and count as its own. */
const diskMb = 8192;
let interfaces = 0;

/** One machine, seen by the warden. */
export class Machine {
  readonly ended: Promise<"poweroff" | "failed">;
  onConsole: (bytes: Uint8Array) => void = () => undefined;
  readonly #order: LaunchOrder;
  readonly #site: Site;
  readonly #home: string;
  readonly #limits: Limits;
  readonly #port = `m${interfaces++}`;
  readonly #end = Promise.withResolvers<"poweroff" | "failed">();
  #child: ChildProcess | undefined;
  #killed = false;

  constructor(order: LaunchOrder, site: Site) {
    this.#order = order;
    this.#site = site;
    this.#home = join(site.base, "machines", order.id);
    this.#limits = new Limits(site.limits, order.id);
    this.ended = this.#end.promise;
  }

  /** Makes it. Returns the name of its pid namespace; its init runs then. */
  async start(): Promise<string> {
    try {
      const child = await this.#spawn();
      const steps = new Steps(child.stdio[3] as Readable);
      await steps.see("unshared");
      await this.#connect(child.pid ?? -1);
      child.stdin?.on("error", () => undefined).write("go\n");
      await steps.see("linked");
      // Not before: a port of a bridge is enabled when its other end comes up.
      if (this.#order.faults.noNetwork) await this.partition(true);
      child.stdin?.end("go\n");
      await steps.see("booted");
      return readlinkSync(`/proc/${this.#init()}/ns/pid`);
    } catch (error) {
      if (this.#child) this.kill();
      else await this.#finish("failed");
      await this.ended;
      throw error;
    }
  }

  async #spawn(): Promise<ChildProcess> {
    const { faults, id, privateIp, memoryMb } = this.#order;
    const { base, subnet, debian } = this.#site;
    const skewMs = Math.round(faults.clockSkewMs ?? 0);
    const clock = skewMs === 0 ? "" : await clockLibrary(base);
    mkdirSync(this.#home);
    const console = await this.#openConsole();
    // Not the one that is read: what is handed to a process is made blocking, for all who share it.
    const writer = openSync(join(this.#home, "console"), "r+");
    const delay = faults.neverBoots ? "never" : String(Math.round(faults.bootDelayMs ?? 0));
    const env = {
      PATH: path,
      LC_ALL: "C",
      LIMITS: this.#limits.set(memoryMb).join(" "),
      DISK_MB: String(diskMb),
      CLOCK: clock,
      SKEW_MS: String(skewMs),
      DEBIAN: debian ?? "",
    };
    const script = here(debian === undefined ? "boot.sh" : "boot-nspawn.sh");
    const facts = [base, id, privateIp, String(subnet.bits), subnet.gateway, delay];
    const child = spawn("/bin/bash", [script, "outside", ...facts], { stdio: ["pipe", writer, writer, "pipe"], env });
    closeSync(writer);
    this.#child = child;
    child.once("error", () => this.#over(console, null));
    child.once("exit", (code, signal) => this.#over(console, code === 0 ? "SIGINT" : signal));
    return child;
  }

  /** Ends everything inside at once. */
  kill(): void {
    this.#killed = true;
    try {
      // When its init ends, the kernel ends all in the namespace first; `unshare` ends after that.
      process.kill(this.#init(), "SIGKILL");
    } catch {
      this.#child?.kill("SIGKILL");
    }
  }

  async partition(cut: boolean): Promise<void> {
    // The carrier stays, so that inside nothing tells of it but silence. 0: disabled, 3: forwarding.
    await command("bridge", ["link", "set", "dev", this.#port, "state", cut ? "0" : "3"]);
  }

  #init(): number {
    const { pid } = this.#child ?? {};
    if (pid === undefined) throw new Error("Cannot find the init: nothing was started");
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    if (children === "") throw new Error("Cannot find the init: it has ended");
    return Number(children.split(" ")[0]);
  }

  async #connect(pid: number): Promise<void> {
    const { privateIp, metadata } = this.#order;
    await ip([
      `link add ${this.#port} type veth peer name eth0 address ${macOf(privateIp)} netns ${pid}`,
      `link set ${this.#port} master br0`,
      `link set ${this.#port} up`,
      // Answers of the metadata service may not travel further than this.
      `route add ${privateIp}/32 dev br0 hoplimit ${metadata.hopLimit}`,
    ]);
  }

  /** Console output goes through a named pipe: nothing that was written is lost when all inside is killed. */
  async #openConsole(): Promise<{ fd: number; socket: Socket }> {
    const file = join(this.#home, "console");
    await command("mkfifo", ["-m", "600", file]);
    // For both, so that there is no end while nobody inside has it open.
    const fd = openSync(file, constants.O_RDWR | constants.O_NONBLOCK);
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on("data", (bytes: Buffer) => this.onConsole(bytes));
    socket.on("error", () => undefined);
    return { fd, socket };
  }

  #over({ fd, socket }: { fd: number; socket: Socket }, signal: string | null): void {
    socket.removeAllListeners("data");
    const bytes = Buffer.alloc(65_536);
    try {
      for (let count = readSync(fd, bytes); count > 0; count = readSync(fd, bytes))
        this.onConsole(Uint8Array.prototype.slice.call(bytes, 0, count));
    } catch {
      // Empty.
    }
    socket.destroy();
    // reboot(2) inside a pid namespace ends its init by SIGINT for halt and power-off, by SIGHUP for a restart; what
    // systemd-nspawn makes of it is an end with 0.
    void this.#finish(signal === "SIGINT" && !this.#killed ? "poweroff" : "failed");
  }

  async #finish(how: "poweroff" | "failed"): Promise<void> {
    // The kernel takes its time with the interface of a namespace that is gone.
    const lines = [`link del ${this.#port}`, `route flush ${this.#order.privateIp}/32`];
    await ip(lines, { force: true }).catch(() => undefined);
    rmSync(this.#home, { recursive: true, force: true });
    await this.#limits.remove();
    this.#end.resolve(how);
  }
}
