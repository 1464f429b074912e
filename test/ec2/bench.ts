/** Applications on a cloud of this machine: one site and one installed package for all tests of a file. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll } from "vitest";
import { type Application, makeApplication } from "../harness/cloud/application.ts";
import { type Site, type SiteOptions, startSite } from "../harness/cloud/site.ts";
import { type RunningScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";

export interface Ec2Bench {
  readonly site: Site;
  readonly application: Application;
  readonly release: string | undefined;
}

/** What each application begins with: `far`, a pool of one machine with one executor, and its events as lines. */
const prelude = `
import { flame, pool, events, shutdown } from "tinderbox";
import { ec2 } from "tinderbox/ec2";
const { ec2: backendOptions, pool: poolOptions } = JSON.parse(process.env.OPTIONS);
for (const name of ["boot.phase", "boot.failed", "runner.ready", "runner.draining", "runner.gone", "backend.trouble"])
  events.on(name, (event) => console.log(name, JSON.stringify({ ...event, error: event.error?.message })));
const far = pool("far", { backend: ec2(backendOptions), max: 1, processes: 1, ...poolOptions });
`;

export interface BenchOptions extends SiteOptions {
  /** The release is made beforehand, as a deployment does it. @default true */
  readonly packed?: boolean;
}

/** Makes them before the first test of a file, and ends them after its last. */
export function useBench({ packed = true, ...options }: BenchOptions = {}): Ec2Bench {
  let site: Site;
  let application: Application;
  let release: string | undefined;
  beforeAll(async () => {
    site = await startSite(options);
    application = makeApplication({});
    if (!packed) return;
    const text = await runCommand(
      { site, application, release },
      "pack",
      "--to",
      `s3://${site.bucket}/tinderbox`,
      "--json",
    );
    release = (JSON.parse(text) as { readonly id: string }).id;
  }, 180_000);
  afterAll(async () => {
    await site[Symbol.asyncDispose]();
    application.remove();
  }, 60_000);
  return {
    get site() {
      return site;
    },
    get application() {
      return application;
    },
    get release() {
      return release;
    },
  };
}

/** The command `tinderbox`, in the application's folder; what it prints. */
export async function runCommand({ site, application }: Ec2Bench, ...words: string[]): Promise<string> {
  const { folder, home } = application;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(folder, "node_modules/tinderbox/dist/src/cli/main.js"), ...words],
    {
      cwd: folder,
      encoding: "utf8",
      env: { ...site.env, PATH: process.env["PATH"], HOME: home, TMPDIR: process.env["TMPDIR"] },
      timeout: 120_000,
    },
  );
  return stdout;
}

export interface ParentOptions {
  /** Beside those of the site. */
  readonly ec2?: Readonly<Record<string, unknown>>;
  readonly pool?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly outlivesTest?: boolean;
}

let scripts = 0;

/** Starts an application with that code after the prelude, on a Node that finds the package as users do. */
export function startParent(bench: Ec2Bench, code: string, options: ParentOptions = {}): RunningScript {
  const { site, application, release: id } = bench;
  const file = join(application.folder, `main-${++scripts}.js`);
  writeFileSync(file, prelude + code);
  const release = { bucket: site.bucket, ...(id === undefined ? {} : { id }) };
  const given = { ec2: { ...site.options, release, ...options.ec2 }, pool: options.pool ?? {} };
  return startScript(file, {
    timeout: 240_000,
    outlivesTest: options.outlivesTest ?? false,
    env: { ...site.env, ...options.env, OPTIONS: JSON.stringify(given), HOME: application.home },
  });
}

/** Waits until no machine runs and the account has none that it would bill. */
export async function noMachineLeft({ site }: Ec2Bench, within: number): Promise<void> {
  const left = () => site.cloud.instances().filter(({ state }) => state !== "terminated");
  await until("all machines are gone", () => left().length === 0, { within }).catch((cause: unknown) => {
    const words = left().map(({ id, state }) => `${id} ${state}\n${site.cloud.machine(id)?.console() ?? ""}`);
    throw new Error(`Machines are left:\n${words.join("\n")}`, { cause });
  });
}
