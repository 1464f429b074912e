/** Applications with containers of this machine: one engine, one installed package and one release for all tests of a file. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll } from "vitest";
import { type ContainerOptions } from "../../../src/container.ts";
import { type Application, makeApplication } from "../../harness/cloud/application.ts";
import { type ContainerEngine, engineAvailable, startEngine } from "../../harness/containers/engine.ts";
import { type RunningScript, startScript } from "../../harness/script.ts";
import { until } from "../../harness/until.ts";

/** Whether there are containers here; otherwise one line says why there are none. */
export const available = await engineAvailable();

export interface ContainerBench {
  readonly engine: ContainerEngine;
  readonly application: Application;
  /** For `container()`: the release is made, and the network is this machine's. */
  readonly options: ContainerOptions;
}

/** What each application begins with: `far`, a pool of one container with one executor, and its events as lines. */
const prelude = `
import { flame, pool, events, shutdown } from "tinderbox";
import { container } from "tinderbox/container";
const { container: backendOptions, pool: poolOptions } = JSON.parse(process.env.OPTIONS);
for (const name of ["boot.phase", "boot.failed", "runner.ready", "runner.gone", "backend.trouble", "release.notice"])
  events.on(name, (event) => console.log(name, JSON.stringify({ ...event, error: event.error?.message })));
const far = pool("far", { backend: container(backendOptions), max: 1, processes: 1, ...poolOptions });
`;

/** Makes them before the first test of a file, and ends them after its last. */
export function useBench(files: Readonly<Record<string, string>> = {}): ContainerBench {
  let engine: ContainerEngine;
  let application: Application;
  let options: ContainerOptions;
  const ends: (() => void | PromiseLike<void>)[] = [];
  beforeAll(async () => {
    if (!available) return;
    application = makeApplication(files, []);
    ends.push(() => application.remove());
    engine = await startEngine();
    ends.push(() => engine[Symbol.asyncDispose]());
    const { folder, home } = application;
    const from = pathToFileURL(join(home, "packed")).href;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(folder, "node_modules/tinderbox/dist/src/cli/main.js"), "pack", "--to", from, "--json"],
      { cwd: folder, encoding: "utf8", env: { PATH: process.env["PATH"], HOME: home, TMPDIR: process.env["TMPDIR"] } },
    );
    const { id } = JSON.parse(stdout) as { readonly id: string };
    const { socket, image } = engine;
    options = { engine: socket, image, network: "host", release: { id, from, cache: join(home, "cache") } };
  }, 240_000);
  afterAll(async () => {
    for (const end of ends.toReversed()) await end();
  }, 60_000);
  return {
    get engine() {
      return engine;
    },
    get application() {
      return application;
    },
    get options() {
      return options;
    },
  };
}

export interface ParentOptions {
  readonly container?: Readonly<Record<string, unknown>>;
  readonly pool?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

let scripts = 0;

/** Starts an application with that code after the prelude, on a Node that finds the package as users do. */
export function startParent(bench: ContainerBench, code: string, options: ParentOptions = {}): RunningScript {
  const { application } = bench;
  const file = join(application.folder, `main-${++scripts}.js`);
  writeFileSync(file, prelude + code);
  const given = { container: { ...bench.options, ...options.container }, pool: options.pool ?? {} };
  return startScript(file, {
    timeout: 120_000,
    env: { OPTIONS: JSON.stringify(given), HOME: application.home, ...options.env },
  });
}

/** Runs one to its end, which has to be a good one; gives what it printed. */
export async function runParent(bench: ContainerBench, code: string, options?: ParentOptions): Promise<string> {
  const { code: status, stdout, stderr } = await startParent(bench, code, options).finished;
  if (status !== 0 || stderr !== "") throw new Error(`The parent has ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Waits until the engine has no container any more, running or not. */
export async function noContainerLeft({ engine }: ContainerBench, within = 10_000): Promise<void> {
  await until("all containers are gone", async () => (await engine.containers()).length === 0, { within });
}
