import { existsSync } from "node:fs";
import { command, ip } from "./command.ts";
import type { Subnet } from "./protocol.ts";

/** Each host process gets one of these /16 ranges, and an interface named by its number. */
const first = 128;
const count = 64;
const nameOf = (slot: number) => `tbvpc${slot}`;

const numberOf = (address: string): number =>
  address.split(".").reduce((sum, part) => (sum << 8) + Number(part), 0) >>> 0;

/** Whether two ranges, as "10.1.0.0/16", have an address in common. */
export function overlap(one: string, other: string): boolean {
  const [[a = "", aBits = "32"], [b = "", bBits = "32"]] = [one.split("/"), other.split("/")];
  const shift = 32 - Math.min(Number(aBits), Number(bBits));
  return shift === 32 || numberOf(a) >>> shift === numberOf(b) >>> shift;
}

/** Ranges that this machine has routes to, but for the default one. */
async function taken(): Promise<string[]> {
  const routes = JSON.parse(await command("ip", ["-json", "-4", "route", "show", "table", "all"])) as { dst: string }[];
  return routes.map(({ dst }) => dst).filter((dst) => /^\d/.test(dst));
}

export interface ClaimedSubnet {
  readonly subnet: Subnet;
  /** The host's interface into it. It goes when the VPC's namespace does. */
  readonly name: string;
}

/**
 * Finds a range that nobody on this machine uses, and joins the network of the process `vpc` to this one with it. The name
 * of the interface is the lock: the kernel gives it to one of several that try.
 */
export async function claimSubnet(vpc: number): Promise<ClaimedSubnet> {
  const ranges = await taken();
  let cause: unknown;
  for (let tried = 0; tried < count; tried++) {
    const slot = (process.pid + tried) % count;
    const name = nameOf(slot);
    const base = `10.${first + slot}`;
    const subnet: Subnet = { cidr: `${base}.0.0/16`, bits: 16, gateway: `${base}.0.1`, parent: `${base}.0.2` };
    if (existsSync(`/sys/class/net/${name}`) || ranges.some((range) => overlap(range, subnet.cidr))) continue;
    const pair = `link add up0 type veth peer name ${name} address 0a:00:00:00:00:02 netns ${process.pid}`;
    try {
      await command("nsenter", [`--net=/proc/${vpc}/ns/net`, "ip", ...pair.split(" ")]);
    } catch (error) {
      cause = error;
      continue;
    }
    await ip([
      `link set ${name} addrgenmode none`,
      `addr add ${subnet.parent}/${subnet.bits} dev ${name}`,
      `link set ${name} up`,
    ]);
    return { subnet, name };
  }
  throw new Error(
    `Cannot find a free range of addresses: all of 10.${first}.0.0 to 10.${first + count - 1}.0.0 are used`,
    {
      cause,
    },
  );
}

/** A third of a range for each of three zones, by the id of the subnet. */
export function zonesOf({ cidr }: Subnet, region: string): Record<string, { zone: string; cidr: string }> {
  const zone = (letter: string, index: number) => [
    `subnet-0${letter.repeat(16)}`,
    { zone: `${region}${letter}`, cidr: cidr.replace(".0.0/16", `.${16 * (index + 1)}.0/20`) },
  ];
  return Object.fromEntries(["a", "b", "c"].map(zone)) as Record<string, { zone: string; cidr: string }>;
}
