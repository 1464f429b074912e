/** A container engine of a test file's own, as a service at a socket, with all that it keeps in one folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { command, path } from "../cloud/machines/command.ts";
import { testRun } from "../run.ts";
import { until } from "../until.ts";
import { docker } from "./docker.ts";
import { importImage } from "./images.ts";
import { podman } from "./podman.ts";
import { membersOf, processesNaming, readText, signal } from "./processes.ts";

export interface ContainerEngine extends AsyncDisposable {
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

/** What is different between them. */
export interface EngineKind {
  /** Programs that it needs, and the packages of Debian that they are in. */
  readonly packages: Readonly<Record<string, string>>;
  /** Names of what keeps its containers. */
  readonly programs: RegExp;
  /** Those among them that are of no use to the next service. */
  readonly helpers?: RegExp;
  /** Before it starts for the first time. */
  prepare(folder: string): Prepared;
}

export interface Prepared {
  /** A shell script that becomes the service; $1 is its socket, $2 its folder. */
  readonly service: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** After its end. */
  removeTraces(): void;
}

const kinds = { podman, docker } as const;
/** The suites are the same for both: `TINDERBOX_TEST_ENGINE=docker` runs them over Docker. */
const name = (process.env["TINDERBOX_TEST_ENGINE"] ?? "podman") as keyof typeof kinds;
const kind = kinds[name];

/**
 * Whether there can be one here. Where not, one line says why; on CI that is a failure, since there it would mean that the tests never
 * run anywhere.
 */
export async function engineAvailable(): Promise<boolean> {
  try {
    await requireEngine();
    return true;
  } catch (error) {
    if (process.env["CI"]) throw error;
    console.warn(`SKIPPED: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** Installs what is missing by apt. */
async function requireEngine(): Promise<void> {
  if (process.platform !== "linux") throw new Error(`Cannot run ${name}: this is ${process.platform}; use Linux`);
  if (process.getuid?.() !== 0) throw new Error(`Cannot run ${name}: its namespaces need root here; run as root`);
  const { packages } = kind;
  const missing = Object.keys(packages).filter(
    (program) => !path.split(":").some((folder) => existsSync(`${folder}/${program}`)),
  );
  if (missing.length > 0) {
    const names = [...new Set(missing.map((program) => packages[program]!))];
    const install = ["install", "-qq", "-y", "--no-install-recommends", ...names];
    const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, timeout: 240_000 };
    await command("apt-get", install, options).catch(async () => {
      await command("apt-get", ["update", "-qq"], options);
      await command("apt-get", install, options);
    });
  }
  await command("unshare", ["--mount", "true"]);
}

let made = 0;

export async function startEngine(): Promise<ContainerEngine> {
  await requireEngine();
  const folder = join(testRun.folder, `${name}-${++made}`);
  mkdirSync(folder, { recursive: true });
  const socket = join(folder, "socket");
  const prepared = kind.prepare(folder);
  let service: Service | undefined;
  const api: ContainerEngine["api"] = (method, route, body) => ask(socket, method, route, body);
  const start = async (): Promise<void> => {
    service = serve(prepared, folder, socket);
    await until(
      `${name} answers`,
      async () => {
        if (service!.child.exitCode !== null) throw new Error(`Cannot start ${name}: ${service!.output()}`);
        return (await api("GET", "/_ping").catch(() => undefined))?.status === 200;
      },
      { within: 30_000 },
    );
  };
  const kill = async (): Promise<void> => {
    service?.child.kill("SIGKILL");
    await service?.ended;
    if (kind.helpers) processesNaming(folder, kind.helpers).forEach(signal);
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
      await until(`${name}'s processes end`, () => {
        const left = processesNaming(folder, kind.programs);
        left.forEach(signal);
        return left.length === 0;
      });
      prepared.removeTraces();
      rmSync(folder, { recursive: true, force: true });
    }
  };
  try {
    await start();
    const imageOf: ContainerEngine["imageOf"] = (...given) => importImage(api, folder, ...given);
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

function serve({ service, environment }: Prepared, folder: string, socket: string): Service {
  rmSync(socket, { force: true });
  const child = spawn("unshare", ["--mount", "/bin/sh", "-ec", service, "engine", socket, folder], {
    // When a container runs out of memory its keeper leaves a file where it stands.
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: path, HOME: folder, TMPDIR: folder, ...environment },
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
