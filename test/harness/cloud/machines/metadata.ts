import { createHash } from "node:crypto";
import type { LaunchOrder } from "../machine-host.ts";
import type { Notice } from "./protocol.ts";

/** Path below `latest/` -> content. Folders are what paths have in common. */
export type Tree = ReadonlyMap<string, string>;

const inSeconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d+/, "");
const idOf = (kind: string, seed: string) => `${kind}-0${createHash("sha256").update(seed).digest("hex").slice(0, 16)}`;

/** The address of a machine's interface, as `ip` takes it. */
export function macOf(privateIp: string): string {
  const tail = privateIp.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `0a:ff:${tail.join(":")}`;
}

function placement({ zone, region }: LaunchOrder): Record<string, string> {
  const id = createHash("sha256").update(zone).digest()[0] ?? 0;
  return {
    "availability-zone": zone,
    "availability-zone-id": `${region.replaceAll(/[^a-z0-9]/g, "").slice(0, 4)}-az${1 + (id % 6)}`,
    region,
  };
}

function network(order: LaunchOrder, host: string): Record<string, string> {
  const mac = macOf(order.privateIp);
  const below = `network/interfaces/macs/${mac}`;
  return {
    mac,
    [`${below}/device-number`]: "0",
    [`${below}/interface-id`]: idOf("eni", order.id),
    [`${below}/local-hostname`]: host,
    [`${below}/local-ipv4s`]: order.privateIp,
    [`${below}/mac`]: mac,
    [`${below}/owner-id`]: order.accountId,
  };
}

function notices({ atMs, action }: Notice, toldMs: number): Record<string, string> {
  return {
    "spot/instance-action": JSON.stringify({ action, time: inSeconds(atMs) }),
    "spot/termination-time": inSeconds(atMs),
    "events/recommendations/rebalance": JSON.stringify({ noticeTime: inSeconds(toldMs) }),
  };
}

/** What the metadata service shows to a machine, but for user data, credentials and identity. */
export function metadataOf(order: LaunchOrder, notice: (Notice & { toldMs: number }) | undefined): Tree {
  const domain = order.region === "us-east-1" ? "ec2.internal" : `${order.region}.compute.internal`;
  const host = `ip-${order.privateIp.replaceAll(".", "-")}.${domain}`;
  const below: Record<string, string> = {
    "ami-id": order.imageId,
    "ami-launch-index": "0",
    "ami-manifest-path": "(unknown)",
    "block-device-mapping/ami": "/dev/xvda",
    "block-device-mapping/root": "/dev/xvda",
    "events/maintenance/history": "[]",
    "events/maintenance/scheduled": "[]",
    hostname: host,
    "instance-action": "none",
    "instance-id": order.id,
    "instance-type": order.instanceType,
    "local-hostname": host,
    "local-ipv4": order.privateIp,
    profile: "default-hvm",
    "reservation-id": idOf("r", order.id),
    "security-groups": "default",
    "services/domain": "amazonaws.com",
    "services/partition": "aws",
    system: "nitro",
    ...network(order, host),
    ...(notice ? notices(notice, notice.toldMs) : {}),
  };
  for (const [name, value] of Object.entries(placement(order))) below[`placement/${name}`] = value;
  if (order.metadata.tags)
    for (const [name, value] of Object.entries(order.tags)) below[`tags/instance/${name}`] = value;
  return new Map(Object.entries(below).map(([path, value]) => [`meta-data/${path}`, value]));
}

/** The names in a folder of the tree, one a line, folders with "/"; undefined where there is no such folder. */
export function listing(tree: Tree, folder: string): string | undefined {
  const prefix = folder === "" ? "" : `${folder}/`;
  const names = new Set<string>();
  for (const path of tree.keys()) {
    if (!path.startsWith(prefix)) continue;
    const [name = "", ...rest] = path.slice(prefix.length).split("/");
    names.add(rest.length > 0 ? `${name}/` : name);
  }
  return names.size === 0 ? undefined : [...names].toSorted().join("\n");
}
