import { startMachines } from "../../machines/machines.ts";
import type { StartHost } from "./host.ts";

/** Machines of namespaces, for `spawnCloud({ hostModule: namespaceHost })`. */
export const startHost: StartHost = async (region) => {
  const machines = await startMachines();
  return { machines, subnets: machines.subnets(region), parentAddress: machines.parentAddress };
};
