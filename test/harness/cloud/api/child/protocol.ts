import type { Credentials } from "../../../s3/authenticate.ts";
import type { Cloud, CloudInstance, CloudOptions } from "../../cloud.ts";
import type { PoolLimit, PoolPattern } from "../state/capacity.ts";
import type { MachineFaultRule } from "../state/machine-faults.ts";
import type { CloudCall } from "../wire/calls.ts";
import type { CloudFault } from "../wire/faults.ts";
import type { PrincipalOptions } from "../wire/principals.ts";

export interface ChildOptions extends Omit<CloudOptions, "machines"> {
  /**
   * URL of a module that makes the machine host: its export `startHost(options)` returns a promise of a `MachineHost`,
   * which the process closes at its end. @default no machines
   */
  readonly hostModule?: string;
  /** What `startHost` is given; it has to survive structured cloning. */
  readonly hostOptions?: unknown;
}

/** What a test asks of an endpoint in another process: the name of a call and its arguments, with an answer each. */
export interface Calls {
  start(options: ChildOptions): Pick<Cloud, "endpoint" | "region" | "accountId">;
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
  close(): void;
}

export interface Call<Name extends keyof Calls = keyof Calls> {
  readonly id: number;
  readonly name: Name;
  readonly args: Parameters<Calls[Name]>;
}

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}
