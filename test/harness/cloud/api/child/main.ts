import { type Served, serveParent } from "../../../calls.ts";
import { type Cloud, startCloud } from "../../cloud.ts";
import type { HostedMachine, MachineHost } from "../../machine-host.ts";
import type { ActiveFault } from "../wire/faults.ts";
import type { StartedHost, StartHost } from "./host.ts";
import type { Calls } from "./protocol.ts";

// The endpoint as a process of its own: see spawn.ts. It lives as long as the channel to its parent.

let cloud: Cloud | undefined;
let machines: MachineHost | undefined;
const faults: ActiveFault[] = [];

function running(): Cloud {
  if (!cloud) throw new Error("Cannot call the EC2 endpoint: it has not started");
  return cloud;
}

function machineOf(id: string): HostedMachine {
  const machine = running().machine(id);
  if (!machine) throw new Error(`Cannot reach the machine of ${id}: nothing runs it`);
  return machine;
}

function faultOf(id: number): ActiveFault {
  const fault = faults[id];
  if (!fault) throw new Error(`Cannot find fault ${id}`);
  return fault;
}

async function close(): Promise<void> {
  try {
    await cloud?.close();
  } finally {
    await machines?.close();
  }
}

const served: Served<Calls> = {
  async start({ hostModule, hostOptions, ...options }) {
    let host: StartedHost | undefined;
    if (hostModule !== undefined) {
      const { startHost } = (await import(hostModule)) as { startHost: StartHost };
      host = await startHost(options.region ?? "us-east-1", hostOptions);
      machines = host.machines;
    }
    const { subnets } = host ?? {};
    cloud = await startCloud({ ...(subnets ? { subnets } : {}), ...options, ...(machines ? { machines } : {}) });
    const { endpoint, region, accountId } = cloud;
    return { endpoint, region, accountId, parentAddress: host?.parentAddress };
  },
  credentials: (name, options) => running().credentials(name, options),
  calls: (action) => (action === undefined ? [...running().calls] : running().callsOf(action)),
  instances: () => running().instances(),
  console: (id) => machineOf(id).console(),
  pids: (id) => machineOf(id).pids(),
  kill: (id) => machineOf(id).kill(),
  partition: (id, cut) => machineOf(id).partition(cut),
  freeze: (id, on) => machineOf(id).freeze(on),
  addFault: (fault) => faults.push(running().faults.add(fault)) - 1,
  releaseFault: (id) => faultOf(id).release(),
  struckBy: (id) => faultOf(id).struck,
  clearFaults: () => running().faults.clear(),
  addMachineFault: (rule) => running().machineFaults.add(rule),
  setCapacity: (pattern, limit) => running().capacity.set(pattern, limit),
  setSpotPrice: (pattern, price) => running().prices.set(pattern, price),
  interrupt: (id, noticeMs) => running().interrupt(id, noticeMs),
  powerOff: (id) => running().powerOff(id),
  advance: (ms) => running().advance(ms),
  close,
};

serveParent(served, () => void close().finally(() => process.exit(0)));
