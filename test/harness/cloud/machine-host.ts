/** Where the EC2 endpoint of the test bench and the machines that it boots meet. */

/**
 * Makes and ends what an instance is. The endpoint knows nothing else about machines; without a host its instances
 * answer but nothing boots.
 */
export interface MachineHost {
  /** Resolves when the machine runs its kernel or init; rejects when it cannot be made. */
  launch(order: LaunchOrder): Promise<HostedMachine>;
  /** Ends all machines and leaves nothing; idempotent. */
  close(): Promise<void>;
}

/** One machine, as the endpoint orders it. */
export interface LaunchOrder {
  /** The instance's id, `i-` and 17 hex digits. */
  readonly id: string;
  readonly privateIp: string;
  /** Decoded: what the user wrote, not its base64. */
  readonly userData: Buffer;
  /** All tags at launch. */
  readonly tags: Record<string, string>;
  readonly instanceType: string;
  readonly zone: string;
  readonly region: string;
  readonly accountId: string;
  readonly imageId: string;
  /** As EC2 names it: `x86_64` or `arm64`. */
  readonly architecture: string;
  /** Name of the instance profile's role, whose credentials the metadata service gives; undefined: none. */
  readonly role: string | undefined;
  readonly metadata: MetadataSettings;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly faults: MachineFaults;
}

/** What of the metadata service the machine is shown. */
export interface MetadataSettings {
  readonly endpoint: "enabled" | "disabled";
  /** required: only IMDSv2. */
  readonly tokens: "required" | "optional";
  /** Whether the instance's tags are readable there. */
  readonly tags: boolean;
  readonly hopLimit: number;
}

/** What goes wrong with a machine; all absent: nothing. */
export interface MachineFaults {
  /** Milliseconds before anything runs. */
  readonly bootDelayMs?: number;
  readonly neverBoots?: boolean;
  readonly noNetwork?: boolean;
  /** Only so many bytes of the user data arrive. */
  readonly truncateUserData?: number;
  /** Milliseconds after its start. */
  readonly diesAfterMs?: number;
  /** Milliseconds after its start. */
  readonly hangsAfterMs?: number;
  /** How far its clock is ahead of ours, in milliseconds; negative: behind. */
  readonly clockSkewMs?: number;
}

/** A machine that runs or has run. */
export interface HostedMachine {
  readonly id: string;
  /** "poweroff": from inside; "killed": by `kill`; "failed": otherwise. Never rejects. */
  readonly ended: Promise<"poweroff" | "killed" | "failed">;
  /** The tail of what it printed. */
  console(): string;
  /** Ends everything inside, also what detached itself; idempotent. */
  kill(): Promise<void>;
  /** Cuts or heals its network. */
  partition(cut: boolean): Promise<void>;
  /** SIGSTOP or SIGCONT for everything inside. */
  freeze(on: boolean): Promise<void>;
  /** Shows a notice of interruption at the metadata service, for the time `atMs` (Unix, milliseconds). */
  spotNotice(atMs: number, action?: "terminate"): void;
  /** Process ids inside, as the host sees them. */
  pids(): Promise<number[]>;
}
