/** What terraform says about what it has made: options of `ec2()` and `reap()` that are not given otherwise. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import type { Ec2Options, ReapOptions, ReleaseOptions } from "./options.ts";

const terraformMs = 30_000;
const mostBytes = 16 * 1024 * 1024;
const mostShown = 300;
/** What a listening socket gets of Linux where nothing else is set. */
const usualPorts: Ports = { from: 32_768, to: 60_999 };

export interface Ports {
  readonly from: number;
  readonly to: number;
}

/** Outputs of the module that options can be made of; the others are for people. */
export interface Outputs {
  readonly region: string | undefined;
  readonly bucket: string | undefined;
  /** Of keys, with a slash at its end. */
  readonly release_prefix: string | undefined;
  readonly subnets: readonly string[] | undefined;
  readonly security_groups: readonly string[] | undefined;
  readonly launch_template: string | undefined;
  readonly instance_profile: string | undefined;
  readonly architecture: "x64" | "arm64" | undefined;
  readonly dial: "runner" | "parent" | undefined;
  readonly ports: Ports | undefined;
}

/**
 * The same options, with what terraform says for those that are not given; as they are without `terraform`.
 *
 * @throws Error with `permanent`, for outputs that cannot be read, that have no use, or that are missing.
 * @example
 * const options = resolveEc2Options(await withOutputs({ terraform: "./terraform", dial: "runner" }));
 */
export async function withOutputs({ terraform, ...given }: Ec2Options): Promise<Ec2Options> {
  if (terraform === undefined) return given;
  const outputs = await readOutputs(terraform);
  const { region, architecture, ports } = outputs;
  const dial = given.dial ?? outputs.dial;
  return known<Ec2Options>({
    region,
    architecture,
    dial,
    ...known<Ec2Options>(given),
    // They are open on the side that is dialled by what terraform knows; the other way round they mean nothing.
    ...(ports && (dial ?? "runner") === (outputs.dial ?? "runner") && portsOf(ports, given, dial)),
    subnets: given.subnets ?? outputs.subnets ?? missing(terraform, "subnets"),
    release: { ...given.release, ...releaseOf(terraform, outputs, given.release) },
    ...(given.image === undefined
      ? { launchTemplate: given.launchTemplate ?? outputs.launch_template ?? missing(terraform, "launch_template") }
      : {
          securityGroups: given.securityGroups ?? outputs.security_groups,
          instanceProfile: given.instanceProfile ?? outputs.instance_profile,
        }),
  });
}

/** As `withOutputs`, for what only has to find machines. */
export async function withLocation({ terraform, ...given }: ReapOptions): Promise<ReapOptions> {
  if (terraform === undefined) return given;
  const outputs = await readOutputs(terraform);
  const release = { ...given.release, ...releaseOf(terraform, outputs, given.release) };
  return known<ReapOptions>({ region: outputs.region, ...known<ReapOptions>(given), release });
}

function releaseOf(folder: string, outputs: Outputs, given: ReleaseOptions = {}): ReleaseOptions {
  const prefix = given.prefix ?? outputs.release_prefix?.replace(/\/$/, "");
  const bucket = given.bucket ?? outputs.bucket ?? missing(folder, "bucket");
  return { bucket, ...(prefix !== undefined && { prefix }) };
}

/**
 * Where the parent listens, or dials. It is given any port by Linux where that is open; of fewer it takes one that other processes of this
 * machine are likely not to take.
 */
function portsOf({ from, to }: Ports, given: Ec2Options, dial: Ec2Options["dial"]): Ec2Options {
  if (dial === "parent") return { runnerPort: given.runnerPort ?? from };
  const any = anyPorts();
  if (from <= any.from && to >= any.to) return {};
  return { parent: { ...given.parent, port: given.parent?.port ?? from + (process.pid % (to - from + 1)) } };
}

function anyPorts(): Ports {
  try {
    const [from, to] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/).map(Number);
    return { from: from!, to: to! };
  } catch {
    return usualPorts;
  }
}

/** Without what is undefined: that would count as given. */
function known<T extends object>(options: { readonly [K in keyof T]?: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

type Told = Readonly<Record<string, { readonly value?: unknown } | undefined>>;

export async function readOutputs(folder: string): Promise<Outputs> {
  const told = await ask(folder);
  if (Object.keys(told).length === 0)
    throw permanent(`Cannot use terraform in ${folder}: it has no outputs there; run "terraform apply" there first`);
  // Of who uses the module in a configuration of their own: output "tinderbox" { value = module.tinderbox }
  const whole = told["tinderbox"]?.value;
  const of = (name: string): unknown =>
    (isRecord(whole) ? (whole as Record<string, unknown>)[name] : undefined) ?? told[name]?.value ?? undefined;
  /** The value is not shown: it may be one that terraform keeps to itself. */
  const take = <T>(name: string, wanted: string, fits: (value: unknown) => value is T): T | undefined => {
    const value = of(name);
    if (value === undefined || fits(value)) return value;
    throw permanent(
      `Cannot use output "${name}" of terraform in ${folder}: ${wanted} is wanted; hand on what the module gives`,
    );
  };
  const text = (name: string) => take(name, "a text", isText);
  const texts = (name: string) =>
    take(
      name,
      "a list of texts",
      (value): value is string[] => Array.isArray(value) && value.length > 0 && value.every(isText),
    );
  return {
    region: text("region"),
    bucket: text("bucket"),
    release_prefix: take(
      "release_prefix",
      'a text such as "tinderbox/"',
      (value): value is string => typeof value === "string" && /^[\w.-]+(\/[\w.-]+)*\/?$/.test(value),
    ),
    subnets: texts("subnets"),
    security_groups: texts("security_groups"),
    launch_template: text("launch_template"),
    instance_profile: text("instance_profile"),
    architecture: take("architecture", '"x64" or "arm64"', isOneOf("x64", "arm64")),
    dial: take("dial", '"runner" or "parent"', isOneOf("runner", "parent")),
    ports: take("ports", "{ from = 32768, to = 60999 } or the like", isPorts),
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isOneOf<T extends string>(...words: readonly T[]) {
  return (value: unknown): value is T => words.includes(value as T);
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPorts(value: unknown): value is Ports {
  if (!isRecord(value)) return false;
  const { from, to } = value as Partial<Ports>;
  const isPort = (port: unknown) => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;
  return isPort(from) && isPort(to) && from! <= to!;
}

/** Reads the state and nothing else, so a plan or an apply that holds its lock is in nobody's way. */
async function ask(folder: string): Promise<Told> {
  // Terraform says of a folder that is not there what it says of many things.
  if (!existsSync(folder))
    throw permanent(`Cannot use terraform in ${folder}: there is no such folder; name that of the configuration`);
  try {
    const { stdout } = await promisify(execFile)("terraform", [`-chdir=${folder}`, "output", "-json", "-no-color"], {
      timeout: terraformMs,
      maxBuffer: mostBytes,
      env: { ...process.env, TF_INPUT: "0", CHECKPOINT_DISABLE: "1" },
    });
    const told: unknown = JSON.parse(stdout);
    if (!isRecord(told)) throw new SyntaxError("no outputs");
    return told as Told;
  } catch (error) {
    // Not as the cause: it has what was printed, and with that the outputs that terraform keeps to itself.
    throw permanent(`Cannot read the outputs of terraform in ${folder}: ${reasonOf(error, folder)}`);
  }
}

function reasonOf(cause: unknown, folder: string): string {
  const {
    code,
    killed,
    stdout = "",
    stderr = "",
  } = cause as Partial<Record<"stdout" | "stderr", string>> & {
    readonly code?: unknown;
    readonly killed?: boolean;
  };
  if (code === "ENOENT") return "the program terraform is not on PATH; install it, or give ec2() what it would say";
  if (killed) return `it has not answered within ${terraformMs / 1_000} s; see whether its state can be reached`;
  // So does one that does not know -chdir.
  if (cause instanceof SyntaxError || /^Usage: /m.test(stdout + stderr))
    return "what terraform prints is no JSON of outputs; 0.14 or newer is wanted, see `terraform version`";
  const [, error = stderr] = /Error: ([^]*)/.exec(stderr) ?? [];
  const text = error.trim() === "" ? (cause as Error).message : error;
  const said = text
    .replace(/[\s│╷╵]+/g, " ")
    .trim()
    .slice(0, mostShown);
  return `${said}; run "terraform ${stderr.includes("terraform init") ? "init" : "output"}" in ${folder}`;
}

function missing(folder: string, output: string): never {
  throw permanent(
    `Cannot use ec2: terraform in ${folder} has no output "${output}"; run "terraform apply" there, or give it as an option`,
  );
}

export function permanent(message: string): Error {
  return Object.assign(new Error(message), { permanent: true });
}
