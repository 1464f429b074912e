/** What is known only once EC2 has been asked about it. */
import { networkInterfaces } from "node:os";
import type { Ec2Api, Offer } from "./api.ts";
import type { ResolvedEc2Options } from "./options.ts";
import { permanent } from "./outputs.ts";
import type { TemplateBase } from "./sdk.ts";

/** What machines are made of, and where everything is. */
export interface Settings {
  readonly region: string | undefined;
  readonly bucket: string;
  readonly subnets: readonly string[];
  readonly base: TemplateBase;
}

/** Of options in which terraform's outputs are. */
export function settingsOf(options: ResolvedEc2Options): Settings {
  const { region, release, subnets, launchTemplate, image, securityGroups, instanceProfile, diskSizeGb } = options;
  // One of template and image is there, and so are subnets and bucket: `resolveEc2Options` has seen to it.
  const base =
    launchTemplate === undefined
      ? { image: image!, securityGroups, instanceProfile, diskSizeGb }
      : { template: launchTemplate };
  return { region, bucket: release.bucket!, subnets: subnets!, base };
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
