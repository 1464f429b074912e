import type { Credentials } from "../../../s3/authenticate.ts";
import type { Cloud, CloudInstance, CloudOptions } from "../../cloud.ts";
import type { PoolLimit, PoolPattern } from "../state/capacity.ts";
import type { MachineFaultRule } from "../state/machine-faults.ts";
import type { CloudCall } from "../wire/calls.ts";
import type { CloudFault } from "../wire/faults.ts";
import type { PrincipalOptions } from "../wire/principals.ts";

export interface ChildOptions extends Omit<CloudOptions, "machines"> {
  /**
   * URL of a module that makes the machine host: its export `startHost` is a `StartHost` of host.ts, and what it makes is
   * closed when the process ends. @default no machines
   */
  readonly hostModule?: string;
  /** What `startHost` is given; it has to survive structured cloning. */
  readonly hostOptions?: unknown;
}

export interface Started extends Pick<Cloud, "endpoint" | "region" | "accountId"> {
  /** Where machines reach what listens on this computer; undefined: the host did not say, or there is none. */
  readonly parentAddress: string | undefined;
}

/** What a test asks of an endpoint in another process: the name of a call and its arguments, with an answer each. */
export interface Calls {
  start(options: ChildOptions): Started;
  credentials(name: string, options?: PrincipalOptions): Credentials;
  calls(action?: string): readonly CloudCall[];
  instances(): readonly CloudInstance[];
  /** What an instance printed. */
  console(id: string): string;
  pids(id: string): number[];
  kill(id: string): void;
  partition(id: string, cut: boolean): void;
  freeze(id: string, on: boolean): void;
  /** Answers with a number for the calls below. */
  addFault(fault: CloudFault): number;
  releaseFault(id: number): void;
  struckBy(id: number): number;
  clearFaults(): void;
  addMachineFault(rule: MachineFaultRule): void;
  setCapacity(pattern: PoolPattern, limit: PoolLimit): void;
  setSpotPrice(pattern: Omit<PoolPattern, "market">, price: number): void;
  interrupt(id: string, noticeMs?: number): void;
  powerOff(id: string): void;
  advance(ms: number): void;
  close(): void;
}
