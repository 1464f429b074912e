import type { HostedMachine } from "../../machine-host.ts";
import type { Market } from "./capacity.ts";
import type { Plan } from "./plan.ts";

export type StateName = "pending" | "running" | "stopping" | "stopped" | "shutting-down" | "terminated";

export const stateCodes: Readonly<Record<StateName, number>> = {
  pending: 0,
  running: 16,
  "shutting-down": 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** Why an instance is as it is, in EC2's words. */
export interface Reason {
  readonly code: string;
  readonly message: string;
  /** The older text beside it, which often is empty. */
  readonly transition: string;
}

export interface Phase {
  readonly state: StateName;
  readonly atMs: number;
  readonly reason: Reason | undefined;
}

/** What one launch request made. */
export interface Reservation {
  readonly id: string;
  readonly clientToken: string;
  readonly fleetId: string | undefined;
}

export interface InstanceFacts {
  readonly id: string;
  readonly index: number;
  readonly reservation: Reservation;
  readonly plan: Plan;
  readonly privateIp: string;
  readonly volumeId: string;
  readonly interfaceId: string;
  readonly spotRequestId: string | undefined;
  readonly launchedMs: number;
}

/** One instance. Its states lie on a line of time, on which those to come are already noted. */
export class Instance {
  readonly facts: InstanceFacts;
  /** What runs it, once it does. */
  machine: HostedMachine | undefined;
  /** The same as soon as it does, or undefined when it could not be made. Absent without a host. */
  booted: Promise<HostedMachine | undefined> | undefined;
  readonly #phases: Phase[] = [];

  constructor(facts: InstanceFacts) {
    this.facts = facts;
    this.enter("pending", facts.launchedMs, { code: "pending", message: "pending", transition: "" });
  }

  get id(): string {
    return this.facts.id;
  }

  get market(): Market {
    return this.facts.plan.market;
  }

  /** Notes a state from `atMs` on. It counts more than what was noted before, also than what was to come after it. */
  enter(state: StateName, atMs: number, reason?: Reason): void {
    this.#phases.push({ state, atMs, reason });
  }

  /** The state that holds at a time; the first one also before it. */
  at(ms: number): Phase {
    const found = this.#phases.findLast(({ atMs }) => atMs <= ms) ?? this.#phases[0];
    if (!found) throw new Error("Cannot find the state of an instance that has none");
    return found;
  }

  isTerminated(nowMs: number): boolean {
    return this.at(nowMs).state === "terminated";
  }

  /** Whether it is over or about to be: nothing starts it again. */
  isEnding(nowMs: number): boolean {
    return /^(shutting-down|terminated)$/.test(this.at(nowMs).state);
  }

  /** Whether it takes room of a pool and a quota. */
  isLive(nowMs: number): boolean {
    return /^(pending|running|stopping)$/.test(this.at(nowMs).state);
  }
}
