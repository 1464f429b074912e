import type { LaunchOrder } from "../machine-host.ts";
import type { IdentityKeys } from "./identity.ts";

/** What the metadata service gives as credentials of a role; strings as the AWS SDKs take them. */
export interface RoleCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** When they end. */
  readonly expiration: Date;
}

/** The addresses of one VPC. */
export interface Subnet {
  /** As "10.131.0.0/16". */
  readonly cidr: string;
  readonly bits: number;
  /** The bridge's own, and the machines' way out, which leads nowhere. */
  readonly gateway: string;
  /** Of the process that started it, in the host's network. */
  readonly parent: string;
}

/** A notice of the metadata service; times are Unix milliseconds. */
export interface Notice {
  readonly atMs: number;
  readonly action: "terminate";
}

export interface Launched {
  /** The machine's pid namespace, as /proc names it: "pid:[4026532177]". */
  readonly namespace: string;
}

/** What the host asks of the warden. */
export interface WardenCalls {
  network(subnet: Subnet, keys: IdentityKeys): void;
  launch(order: LaunchOrder): Launched;
  kill(id: string): void;
  partition(id: string, cut: boolean): void;
  notice(id: string, notice: Notice): void;
}

/** What the warden asks of the host. */
export interface HostCalls {
  credentials(role: string, id: string): RoleCredentials | undefined;
}

/** What the warden tells the host. */
export type WardenEvent =
  | { readonly event: "up" }
  | { readonly event: "console"; readonly id: string; readonly bytes: Uint8Array }
  | { readonly event: "ended"; readonly id: string; readonly how: "poweroff" | "failed" };
