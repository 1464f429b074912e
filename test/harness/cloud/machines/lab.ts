import { expect } from "vitest";
import { until, type UntilOptions } from "../../until.ts";
import type { HostedMachine, LaunchOrder } from "../machine-host.ts";
import { type Machines } from "./machines.ts";

/** What tests set of an order; the rest is that of a common machine. */
export interface Wish extends Partial<Omit<LaunchOrder, "metadata" | "userData">> {
  readonly metadata?: Partial<LaunchOrder["metadata"]>;
  readonly userData?: Buffer | string;
}

let orders = 10;

/** An order with an id and an address of its own. */
export function order(machines: Machines, { metadata, userData = "", ...wish }: Wish = {}): LaunchOrder {
  const number = orders++;
  const last = `${number >> 8}.${number & 255}`;
  return {
    id: `i-${number.toString(16).padStart(17, "0")}`,
    privateIp: machines.subnet.replace(/\.0\.0\/16$/, `.${last}`),
    userData: Buffer.from(userData),
    tags: {},
    instanceType: "c7i.large",
    zone: "us-east-1a",
    region: "us-east-1",
    accountId: "123456789012",
    imageId: "ami-0123456789abcdef0",
    architecture: "x86_64",
    role: undefined,
    metadata: { endpoint: "enabled", tokens: "required", tags: false, hopLimit: 1, ...metadata },
    memoryMb: 1024,
    vcpus: 2,
    faults: {},
    ...wish,
  };
}

/** Launches a machine that runs lines of bash. */
export function launch(machines: Machines, lines: string, wish: Wish = {}): Promise<HostedMachine> {
  return machines.launch(order(machines, { ...wish, userData: `#!/bin/bash\n${lines}\n` }));
}

/** What is written to the console between "<<name" and ">>". Waits for it. */
export async function said(machine: HostedMachine, name: string, options: UntilOptions = {}): Promise<string> {
  const look = () => new RegExp(`<<${name}\\n([^]*?)\\n?>>`).exec(machine.console());
  const found = await until(`"${name}" on the console`, look, { within: 15_000, ...options }).catch(
    (cause: unknown) => {
      throw new Error(`Cannot see "${name}" on the console:\n${machine.console()}`, { cause });
    },
  );
  return found[1] ?? "";
}

/** Launches a machine that runs lines of bash and powers off; returns what they printed. */
export async function output(machines: Machines, lines: string, wish: Wish = {}): Promise<string> {
  const machine = await launch(machines, `echo "<<output"\n${lines}\necho ">>"\npoweroff`, wish);
  try {
    expect(await until("the machine end", () => Promise.race([machine.ended, pause()]), { within: 15_000 })).toBe(
      "poweroff",
    );
    return await said(machine, "output");
  } catch (cause) {
    throw new Error(`Cannot see the machine end:\n${machine.console()}`, { cause });
  } finally {
    await machine.kill();
  }
}

const pause = () => new Promise<undefined>((resolve) => setTimeout(resolve, 20, undefined));
