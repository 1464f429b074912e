import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Channel, type Served } from "../../calls.ts";
import { command, ip } from "./command.ts";
import { Machine } from "./machine.ts";
import { MetadataService } from "./metadata-service.ts";
import type { HostCalls, Subnet, WardenCalls, WardenEvent } from "./protocol.ts";

// Pid 1 of a VPC: it makes the network, starts the machines and answers as their metadata service. It and all machines
// live in one pid namespace and end with it, so that nothing is left however the host process ends.

/** A tmpfs of this mount namespace, over a folder that every Debian has. */
const base = "/dev/shm";
const limits = JSON.parse(process.env["LIMITS"] ?? "[]") as string[];

const machines = new Map<string, Machine>();
const tell = (message: object) => void process.send?.(message, () => undefined);
const event = (message: WardenEvent) => tell(message);

function machine(id: string): Machine {
  const found = machines.get(id);
  if (!found) throw new Error(`Cannot find the machine ${id}`);
  return found;
}

let subnet: Subnet | undefined;
let metadata: MetadataService | undefined;

const served: Served<WardenCalls> = {
  async network(given, keys) {
    subnet = given;
    for (const [name, value] of [
      ["ipv6/conf/all/disable_ipv6", "1"],
      ["ipv6/conf/default/disable_ipv6", "1"],
    ] as const)
      writeFileSync(`/proc/sys/net/${name}`, value);
    await ip([
      "link set lo up",
      // A fixed address: a bridge otherwise takes its lowest port's, and all machines stall when that changes.
      "link add br0 address 0a:00:00:00:00:01 type bridge forward_delay 0 mcast_snooping 0",
      `addr add ${given.gateway}/${given.bits} dev br0`,
      "addr add 169.254.169.254/32 dev br0",
      "link set br0 up",
      "link set up0 master br0",
      "link set up0 up",
    ]);
    metadata = new MetadataService(keys, channel.remote<HostCalls>());
    await metadata.listen("169.254.169.254", 80);
    await mounted;
  },
  async launch(order) {
    if (!subnet || !metadata) throw new Error("Cannot launch: there is no network yet");
    if (metadata.has(order.privateIp)) throw new Error(`the address ${order.privateIp} is in use`);
    const one = new Machine(order, { base, subnet, limits, debian: process.env["DEBIAN"] });
    machines.set(order.id, one);
    metadata.add(order);
    one.onConsole = (bytes) => event({ event: "console", id: order.id, bytes });
    void one.ended.then((how) => {
      machines.delete(order.id);
      metadata?.remove(order.id);
      event({ event: "ended", id: order.id, how });
    });
    return { namespace: await one.start() };
  },
  kill: (id) => machines.get(id)?.kill(),
  partition: (id, cut) => machine(id).partition(cut),
  notice: (id, notice) => metadata?.notice(id, notice),
};

// The shared root is made while the network comes about.
const mounted = prepare();
mounted.catch(() => undefined);
const channel = new Channel(tell, served);
process.on("message", (message: object) => void channel.take(message));
process.on("disconnect", () => process.exit(0));

async function prepare(): Promise<string> {
  await command("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", base]);
  mkdirSync(`${base}/machines`);
  const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  return command("bash", [here("root.sh"), base, fileURLToPath(new URL(".", import.meta.url))]);
}
event({ event: "up" });
