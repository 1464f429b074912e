/** What is known only once terraform's outputs have been read, and EC2 has been asked about it. */
import { execFile } from "node:child_process";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import type { Ec2Api, Offer } from "./api.ts";
import type { ResolvedEc2Options } from "./options.ts";
import type { TemplateBase } from "./sdk.ts";

/** Where everything is. */
export interface Location {
  readonly region: string | undefined;
  readonly bucket: string;
}

/** What machines are made of, and where they may be. */
export interface Settings extends Location {
  readonly subnets: readonly string[];
  readonly base: TemplateBase;
}

/** What of the options says where everything is. */
export interface LocationOptions {
  readonly terraform: string | undefined;
  readonly region: string | undefined;
  readonly bucket: string | undefined;
}

const terraformMs = 30_000;

/** What is said in the options comes before what terraform says. */
export async function locationOf(options: LocationOptions): Promise<Location> {
  return locate(options, await outputsOf(options.terraform));
}

function locate({ terraform, region, bucket }: LocationOptions, outputs: Outputs): Location {
  const found = bucket ?? textOf(outputs, "bucket");
  if (found === undefined) throw missing(terraform, "bucket");
  return { region: region ?? textOf(outputs, "region"), bucket: found };
}

export async function settingsOf(options: ResolvedEc2Options): Promise<Settings> {
  const outputs = await outputsOf(options.terraform);
  const { image, securityGroups, instanceProfile, diskSizeGb } = options;
  const template = options.launchTemplate ?? (image === undefined ? textOf(outputs, "launch_template") : undefined);
  const subnets = options.subnets ?? listOf(outputs, "subnets");
  if (template === undefined && image === undefined) throw missing(options.terraform, "launch_template");
  if (subnets === undefined) throw missing(options.terraform, "subnets");
  return {
    ...locate({ ...options, bucket: options.release.bucket }, outputs),
    subnets,
    base: template === undefined ? { image: image!, securityGroups, instanceProfile, diskSizeGb } : { template },
  };
}

type Outputs = Readonly<Record<string, { readonly value?: unknown }>>;

async function outputsOf(folder: string | undefined): Promise<Outputs> {
  if (folder === undefined) return {};
  try {
    const { stdout } = await promisify(execFile)("terraform", [`-chdir=${folder}`, "output", "-json", "-no-color"], {
      timeout: terraformMs,
      maxBuffer: 16 * 1024 * 1024,
    });
    return JSON.parse(stdout) as Outputs;
  } catch (cause) {
    const { code, stderr } = cause as { readonly code?: unknown; readonly stderr?: string };
    const why = code === "ENOENT" ? "the program terraform is not on PATH" : (stderr?.trim() ?? String(cause));
    throw permanent(
      `Cannot read the outputs of terraform in ${folder}: ${why}; run "terraform apply" there first`,
      cause,
    );
  }
}

function textOf(outputs: Outputs, name: string): string | undefined {
  const value = outputs[name]?.value;
  return typeof value === "string" && value !== "" ? value : undefined;
}

function listOf(outputs: Outputs, name: string): readonly string[] | undefined {
  const value = outputs[name]?.value;
  return Array.isArray(value) && value.length > 0 ? value.map(String) : undefined;
}

function missing(terraform: string | undefined, output: string): Error {
  return permanent(
    `Cannot use ec2: terraform in ${terraform} has no output "${output}"; run "terraform apply" there, or name it`,
  );
}

/** All types that fit, at all places, in the order in which they were named. */
export async function offersOf(
  api: Ec2Api,
  subnets: readonly string[],
  options: ResolvedEc2Options,
): Promise<readonly Offer[]> {
  const { instanceTypes, architecture, cores } = options;
  const [places, types] = await Promise.all([api.subnets(subnets), api.types(instanceTypes)]);
  if (types.length === 0)
    throw permanent(`Cannot find ${instanceTypes.join(", ")} in this region; name other instanceTypes`);
  for (const { type, vcpus, architectures } of types) {
    if (!architectures.includes(architecture))
      throw permanent(
        `Cannot use instance type ${type}: it is ${architectures.join(", ")}, and the release is for ${architecture}; name other instanceTypes, or set architecture`,
      );
    if (vcpus < cores)
      throw permanent(
        `Cannot use instance type ${type}: it has ${vcpus} cores, and its name says ${cores}; set processes of the pool`,
      );
  }
  return types.flatMap(({ type }) => places.map(({ id: subnet, zone }) => ({ type, subnet, zone })));
}

/** The first address by which other machines may find this one. */
export function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal);
  if (found) return found.address;
  throw permanent('Cannot be found by machines: this one has no address; set parent.host of ec2, or dial: "parent"');
}

export function permanent(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { permanent: true });
}
