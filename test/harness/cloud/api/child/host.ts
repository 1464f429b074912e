import type { MachineHost } from "../../machine-host.ts";
import type { Subnet } from "../state/catalogue.ts";

/** What a module of a machine host gives the endpoint's process: see `hostModule` of `spawnCloud`. */
export interface StartedHost {
  readonly machines: MachineHost;
  /** The subnets in which its machines are. */
  readonly subnets?: Readonly<Record<string, Subnet>>;
  /** Where machines reach what listens on this computer. */
  readonly parentAddress?: string;
}

export type StartHost = (region: string, options: unknown) => Promise<StartedHost>;
