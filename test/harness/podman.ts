/** A container engine of a test file's own: podman from Debian, as a service at a socket, with all that it keeps in one folder. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { command, path } from "./cloud/machines/command.ts";
import { testRun } from "./run.ts";
import { until } from "./until.ts";

export interface Podman extends AsyncDisposable {
  readonly socket: string;
  /** An image with a shell and what Node needs, and nothing else. */
  readonly image: string;
  /** Another one, with these programs of this machine, and with or without the libraries of Node. */
  imageOf(name: string, programs: readonly string[], options?: { readonly node?: boolean }): Promise<string>;
  /** Asks its API; the answer's JSON. */
  api(
    method: string,
    path: string,
    body?: Uint8Array | object,
  ): Promise<{ readonly status: number; readonly json: unknown }>;
  /** Ids of all containers that it has, in whatever state. */
  containers(): Promise<readonly string[]>;
  /** The processes of a container as this machine numbers them, with the numbers that they have in it. */
  processes(id: string): Promise<ReadonlyMap<number, number>>;
  /** Makes a container that is not started; gives its id. */
  create(spec: object): Promise<string>;
  labelOf(id: string, label: string): Promise<string | undefined>;
  /** What a process of this machine was started with. */
  commandOf(pid: number): string;
  /** Ends the service alone; containers go on. `start` brings it back. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

const packages: Readonly<Record<string, string>> = {
  podman: "podman",
  crun: "crun",
  conmon: "conmon",
  ldd: "libc-bin",
};

/**
 * Whether there can be one here. Where not, one line says why; on CI that is a failure, since there it would mean that the tests never
 * run anywhere.
 */
export async function podmanAvailable(): Promise<boolean> {
  try {
    await requirePodman();
    return true;
  } catch (error) {
    if (process.env["CI"]) throw error;
    console.warn(`SKIPPED: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** Installs what is missing by apt. */
async function requirePodman(): Promise<void> {
  if (process.platform !== "linux") throw new Error(`Cannot run podman: this is ${process.platform}; use Linux`);
  if (process.getuid?.() !== 0) throw new Error("Cannot run podman: its namespaces need root here; run as root");
  const missing = Object.keys(packages).filter(
    (name) => !path.split(":").some((folder) => existsSync(`${folder}/${name}`)),
  );
  if (missing.length > 0) {
    const names = [...new Set(missing.map((name) => packages[name]!))];
    const install = ["install", "-qq", "-y", "--no-install-recommends", ...names];
    const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, timeout: 240_000 };
    await command("apt-get", install, options).catch(async () => {
      await command("apt-get", ["update", "-qq"], options);
      await command("apt-get", install, options);
    });
  }
  await command("unshare", ["--mount", "true"]);
}

/**
 * It knows one tree of cgroups or the other, and not both at once; and what it keeps below /run and of networks is its own, and goes with
 * its namespace.
 */
const inside = `
if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs tmpfs /run
if [ -d /var/lib/cni ]; then mount -t tmpfs tmpfs /var/lib/cni; fi
exec podman system service --time=0 "unix://$1"`;

let made = 0;
/** A file system of layers, as containers have it: no more layers can be laid over it. */
const overlayType = 0x794c7630;

export async function startPodman(): Promise<Podman> {
  await requirePodman();
  const folder = join(testRun.folder, `podman-${++made}`);
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, "socket");
  writeFileSync(
    join(folder, "containers.conf"),
    `[containers]
default_ulimits = ["nofile=16000:16000", "nproc=16000:16000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`,
  );
  const driver = statfsSync(folder).type === overlayType ? "vfs" : "overlay";
  const storage = `[storage]\ndriver = "${driver}"\ngraphroot = "${folder}/root"\nrunroot = "${folder}/run"\n`;
  writeFileSync(join(folder, "storage.conf"), storage);
  const before = linksOf();
  let service: Service | undefined;
  const api: Podman["api"] = (method, route, body) => ask(socket, method, route, body);
  const start = async (): Promise<void> => {
    service = serve(folder, socket);
    await until(
      "podman answer",
      async () => {
        if (service!.child.exitCode !== null) throw new Error(`Cannot start podman: ${service!.output()}`);
        return (await api("GET", "/_ping").catch(() => undefined))?.status === 200;
      },
      { within: 30_000 },
    );
  };
  const kill = async (): Promise<void> => {
    service?.child.kill("SIGKILL");
    await service?.ended;
  };
  const containers = async (): Promise<string[]> => {
    const { json } = await api("GET", "/containers/json?all=1");
    return (json as { Id: string }[]).map(({ Id }) => Id);
  };
  const close = async (): Promise<void> => {
    try {
      if (service?.child.exitCode === null)
        for (const id of await containers()) await api("DELETE", `/containers/${id}?force=1&v=1`);
    } finally {
      await kill();
      for (const pid of processesNaming(folder)) signal(pid);
      await until("podman's processes end", () => processesNaming(folder).length === 0);
      removeTraces(before);
      rmSync(folder, { recursive: true, force: true });
    }
  };
  try {
    await start();
    const imageOf: Podman["imageOf"] = (...given) => importImage(api, folder, ...given);
    const image = await imageOf("test", ["sh", "sleep"]);
    return {
      socket,
      image,
      imageOf,
      api,
      containers,
      async create(spec) {
        const { status, json } = await api("POST", "/containers/create", { Image: image, Cmd: ["/bin/sh"], ...spec });
        if (status !== 201) throw new Error(`Cannot make a container: ${JSON.stringify(json)}`);
        return (json as { Id: string }).Id;
      },
      async labelOf(id, label) {
        const { json } = await api("GET", `/containers/${id}/json`);
        return (json as { Config: { Labels: Record<string, string> } }).Config.Labels[label];
      },
      commandOf: (pid) => readText(`/proc/${pid}/cmdline`).replaceAll("\0", " "),
      kill,
      start,
      async processes(id) {
        const { json, status } = await api("GET", `/containers/${id}/json`);
        const { Pid = 0 } = status === 200 ? (json as { State: { Pid?: number } }).State : {};
        return Pid === 0 ? new Map() : membersOf(Pid);
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Service {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  output(): string;
}

function serve(folder: string, socket: string): Service {
  rmSync(socket, { force: true });
  const child = spawn("unshare", ["--mount", "/bin/sh", "-ec", inside, "podman", socket], {
    // When a container runs out of memory its keeper leaves a file where it stands.
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: path,
      HOME: folder,
      TMPDIR: folder,
      CONTAINERS_CONF: join(folder, "containers.conf"),
      CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"),
    },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text = (text + chunk).slice(-10_000)));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return { child, ended, output: () => text };
}

function ask(
  socketPath: string,
  method: string,
  route: string,
  body?: Uint8Array | object,
): Promise<{ readonly status: number; readonly json: unknown }> {
  return new Promise((resolve, reject) => {
    const archive = body instanceof Uint8Array;
    const bytes = archive ? body : Buffer.from(body ? JSON.stringify(body) : "");
    const headers = {
      "content-type": archive ? "application/x-tar" : "application/json",
      "content-length": bytes.length,
    };
    const asked = request({ socketPath, method, path: route, headers, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      answer.once("error", reject);
      answer.once("end", () => {
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = text;
        }
        resolve({ status: answer.statusCode ?? 0, json });
      });
    });
    asked.once("error", reject);
    asked.end(bytes);
  });
}

/** Programs and libraries of this machine: there is no registry to have an image from. */
async function importImage(
  api: Podman["api"],
  folder: string,
  name: string,
  programs: readonly string[],
  { node = true }: { readonly node?: boolean } = {},
): Promise<string> {
  const image = `localhost/tinderbox-${name}`;
  const files = [...programs.map(realProgram), ...(node ? [process.execPath] : [])];
  const libraries = files.flatMap((file) =>
    [...execFileSync("ldd", [file], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g)].map(([, found]) => found!),
  );
  const root = join(folder, `image-${name}`);
  for (const each of ["bin", "tmp", "proc", "sys", "dev", "run", "etc"])
    mkdirSync(join(root, each), { recursive: true });
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  for (const each of programs) copy(realProgram(each), join(root, "bin", each));
  for (const each of new Set(libraries)) copy(each, join(root, each));
  const tar = execFileSync("tar", ["-C", root, "-c", "."], { maxBuffer: 2 ** 28 });
  const { status, json } = await api("POST", `/images/create?fromSrc=-&repo=${image}&tag=latest`, tar);
  if (status !== 200) throw new Error(`Cannot import an image: ${JSON.stringify(json)}`);
  return `${image}:latest`;
}

function realProgram(name: string): string {
  const found = path.split(":").map((folder) => join(folder, name));
  return found.find((file) => existsSync(file))!;
}

function copy(from: string, to: string): void {
  mkdirSync(join(to, ".."), { recursive: true });
  execFileSync("cp", ["--dereference", from, to]);
}

/** All in the namespace that this process is the first of. */
function membersOf(first: number): Map<number, number> {
  const found = new Map<number, number>();
  const depth = numbersOf(first).length;
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const numbers = numbersOf(Number(name));
    if (numbers.length === depth && sameNamespace(first, Number(name))) found.set(Number(name), numbers.at(-1)!);
  }
  return found;
}

function sameNamespace(one: number, other: number): boolean {
  try {
    const names = [one, other].map((pid) => execFileSync("readlink", [`/proc/${pid}/ns/pid`], { encoding: "utf8" }));
    return names[0] === names[1];
  } catch {
    return false;
  }
}

/** A process has a number in each namespace that it is in. One that has ended, and waits to be read, is none. */
function numbersOf(pid: number): number[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (/^State:\s+[ZX]/m.test(status)) return [];
    return (/^NSpid:\s+(.*)$/m.exec(status)?.[1] ?? "").split("\t").map(Number);
  } catch {
    return [];
  }
}

/** Those that keep its containers; what starts a container names it as well. */
function processesNaming(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      const line = readText(`/proc/${pid}/cmdline`);
      return line.includes(folder) && /podman|conmon|crun/.test(line.split("\0")[0]!);
    });
}

/** Empty where the process has ended meanwhile. */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}

function linksOf(): ReadonlySet<string> {
  return new Set(readdirSync("/sys/class/net"));
}

/** What engines leave on a machine for their next container: bridges, the chains of their firewall, empty cgroups. */
function removeTraces(before: ReadonlySet<string>): void {
  const run = (name: string, ...args: string[]): void => {
    try {
      execFileSync(name, args, { stdio: "ignore", env: { PATH: path } });
    } catch {
      // Not there.
    }
  };
  for (const name of linksOf())
    if (name.startsWith("cni-podman") && !before.has(name)) run("ip", "link", "delete", name);
  if (![...before].some((name) => name.startsWith("cni-podman"))) {
    run("iptables", "-D", "FORWARD", "-m", "comment", "--comment", "CNI firewall plugin rules", "-j", "CNI-FORWARD");
    for (const chain of ["CNI-FORWARD", "CNI-ADMIN"]) {
      run("iptables", "-F", chain);
      run("iptables", "-X", chain);
    }
  }
  const groups = "/sys/fs/cgroup";
  for (const place of [groups, ...readdirSync(groups).map((name) => join(groups, name))]) {
    const own = join(place, "libpod_parent");
    if (!existsSync(own)) continue;
    for (const each of [...readdirSync(own).map((name) => join(own, name)), own]) {
      try {
        rmdirSync(each);
      } catch {
        // A file of it, or somebody else's.
      }
    }
  }
}
