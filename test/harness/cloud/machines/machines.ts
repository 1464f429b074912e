import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { until } from "../../until.ts";
import type { HostedMachine, LaunchOrder, MachineHost } from "../machine-host.ts";
import { type Forward, startForward } from "./forward.ts";
import { Channel, type Served } from "../../calls.ts";
import { makeCgroups, reapCgroups, removeCgroups } from "./cgroups.ts";
import { command, path } from "./command.ts";
import { debianWithCloudInit } from "./debian.ts";
import { type End, Hosted } from "./hosted.ts";
import { makeIdentityKeys } from "./identity.ts";
import type { HostCalls, RoleCredentials, WardenCalls, WardenEvent } from "./protocol.ts";
import { requireMachines } from "./requirements.ts";
import { type ClaimedSubnet, claimSubnet, overlap, zonesOf } from "./subnet.ts";

export interface MachinesOptions {
  /**
   * Boots a whole Debian, with systemd and with cloud-init's own Ec2 datasource, instead of a small init that does as they
   * do. Slower by a second for each machine; the first time it is made, by debootstrap, takes minutes. Delays, wrong clocks
   * and machines that never boot are not to be had so. Such machines ask the metadata service without a token, as
   * cloud-init does where no firmware says that this is EC2: launch them with tokens "optional". @default false
   */
  readonly cloudInit?: boolean;
  /**
   * Issues credentials of a role to a machine, as its metadata service gives them; undefined: it has none (404).
   * @default none
   */
  readonly credentials?: (
    role: string,
    instanceId: string,
  ) => RoleCredentials | undefined | Promise<RoleCredentials | undefined>;
}

/** A private network on this machine with machines in it that boot in a fraction of a second. */
export interface Machines extends MachineHost, AsyncDisposable {
  /** The range in which machines have their addresses, as "10.131.0.0/16"; the first four are taken. */
  readonly subnet: string;
  /** Subnets in it for an EC2 endpoint: one of 4091 addresses in each of three zones. */
  subnets(region: string): Readonly<Record<string, { readonly zone: string; readonly cidr: string }>>;
  /** This process's address in it: what listens here, or on 0.0.0.0, can be reached by machines. */
  readonly parentAddress: string;
  /** PEM of the certificate by which identity documents can be verified. */
  readonly certificate: string;
  /** Whether machines have their limits of memory and processes; not where cgroups cannot be made. */
  readonly limited: boolean;
  /** Lets machines reach what listens at a port of 127.0.0.1, at the same port of `parentAddress`. */
  publish(port: number): Promise<void>;
}

const startMs = 30_000;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Makes a private network ("VPC") of its own on this machine, in which `launch` boots machines: namespaces with a root made
 * of this machine's Debian, of which they cannot see anything else. Needs Linux and root; rejects elsewhere. All that it
 * makes goes with `close`, or when this process ends, however it does.
 *
 * @example
 * await using machines = await startMachines();
 * const machine = await machines.launch({ ...order, userData: Buffer.from("#!/bin/sh\nhostname\npoweroff\n") });
 * await machine.ended; // "poweroff"
 * machine.console(); // "... ip-10-131-1-5 ..."
 */
export async function startMachines(options: MachinesOptions = {}): Promise<Machines> {
  await requireMachines();
  const debian = options.cloudInit ? await debianWithCloudInit() : undefined;
  reapCgroups();
  const keys = makeIdentityKeys();
  const groups = makeCgroups();
  const machines = new Map<string, Hosted>();
  const child = spawn(
    "/bin/bash",
    [here("keeper.sh"), process.execPath, "--conditions=tinderbox-source", here("warden.ts")],
    {
      env: {
        PATH: path,
        TMPDIR: process.env["TMPDIR"],
        TINDERBOX_TEST_RUN: process.env["TINDERBOX_TEST_RUN"],
        CGROUPS: groups.join(" "),
        LIMITS: JSON.stringify(groups),
        ...(debian === undefined ? {} : { DEBIAN: debian }),
      },
      serialization: "advanced",
      // Its stdin is how it learns that this process has ended; what it complains of is ours.
      stdio: ["pipe", "pipe", "pipe", "ipc"],
    },
  );
  const first = Promise.withResolvers<string>();
  let complaints = "";
  child.stdout?.setEncoding("utf8").once("data", first.resolve).resume();
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (complaints = (complaints + text).slice(-10_000)));
  child.stdin?.on("error", () => undefined);

  const served: Served<HostCalls> = { credentials: (role, id) => options.credentials?.(role, id) };
  const channel = new Channel((message) => void child.send(message, () => undefined), served);
  const warden = channel.remote<WardenCalls>();
  const up = Promise.withResolvers<void>();
  up.promise.catch(() => undefined);
  const finish = (id: string, how: End) => {
    machines.get(id)?.finish(how);
    machines.delete(id);
  };
  const react = (message: WardenEvent) => {
    if (message.event === "up") up.resolve();
    else if (message.event === "console") machines.get(message.id)?.heard(message.bytes);
    else finish(message.id, message.how);
  };
  child.on("message", (message) => {
    if (!channel.take(message as object)) react(message as WardenEvent);
  });
  let over = false;
  let claimed: ClaimedSubnet | undefined;
  let closing: Promise<void> | undefined;
  const forwards: Forward[] = [];
  // Not "close": that never comes for a child whose channel was disconnected and whose stdin was destroyed.
  const closed = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lost = () => {
    over = true;
    channel.close("the network of machines has ended");
    first.resolve("");
    up.reject(new Error(`Cannot start machines: the warden has ended\n${complaints}`));
    for (const id of machines.keys()) finish(id, closing ? "killed" : "failed");
  };
  child.once("error", lost);
  void closed.then(lost);

  const end = async () => {
    // The keeper ends the warden, and the kernel all that is in its namespaces.
    if (child.connected) child.disconnect();
    child.stdin?.destroy();
    for (const forward of forwards) await forward.close();
    await closed;
    await removeCgroups(groups);
    const { name } = claimed ?? {};
    if (name === undefined) return;
    await command("ip", ["link", "del", name]).catch(() => undefined);
    await until("the host's interface go", () => !existsSync(`/sys/class/net/${name}`));
  };
  const close = () => (closing ??= end());

  async function launch(order: LaunchOrder): Promise<HostedMachine> {
    if (over || closing) throw new Error(`Cannot launch ${order.id}: the network of machines is closed`);
    if (machines.has(order.id)) throw new Error(`Cannot launch ${order.id}: there is a machine of that id`);
    const { cidr, gateway } = claimed?.subnet ?? { cidr: "", gateway: "" };
    // The bridge, this process and, as in a subnet of AWS, two more.
    if (!overlap(order.privateIp, cidr) || overlap(order.privateIp, `${gateway}/30`))
      throw new Error(`Cannot launch ${order.id}: ${order.privateIp} is not one of the free addresses of ${cidr}`);
    const machine = new Hosted(order, warden);
    machines.set(order.id, machine);
    try {
      const { namespace } = await warden.launch(order);
      machine.started(namespace, order.faults);
      return machine;
    } catch (error) {
      machines.delete(order.id);
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot launch ${order.id}: ${reason}\n${machine.console()}`, { cause: error });
    }
  }

  async function publish(port: number): Promise<void> {
    forwards.push(await startForward(claimed?.subnet.parent ?? "", port));
  }

  const deadline = setTimeout(() => {
    up.reject(new Error(`Cannot start machines: the warden is not up after ${startMs} ms\n${complaints}`));
  }, startMs);
  try {
    await up.promise;
    claimed = await claimSubnet(Number.parseInt(await first.promise, 10));
    const identity = await keys;
    await warden.network(claimed.subnet, identity);
    return {
      subnet: claimed.subnet.cidr,
      subnets: zonesOf.bind(undefined, claimed.subnet),
      parentAddress: claimed.subnet.parent,
      certificate: identity.certificate,
      limited: groups.length > 0,
      publish,
      launch,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    clearTimeout(deadline);
  }
}
