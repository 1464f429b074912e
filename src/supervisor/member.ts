/** A child as its supervisor keeps it: the specification, and what has become of it. */
import type { Branch, Child, ExitReason } from "../ports/child.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { cleanBranches } from "./branches.ts";
import type { Life } from "./life.ts";
import type { ResolvedSpec } from "./spec.ts";

/** A child of a supervisor, as others see it: always what is now, also after restarts. */
export interface ChildHandle {
  readonly id: string;
  readonly type: "worker" | "supervisor";
  /** "restarting" while it waits to be started again, "stopped" when nothing of it is there. */
  readonly status: Branch["status"];
  /** How often it has been started again. */
  readonly restarts: number;
  /** Since when it has its status: milliseconds since 1970. */
  readonly since: number;
  /** What runs now, if anything does. It is another one after each restart. */
  readonly child: Child | undefined;
  /** `value` of the child that runs now, e.g. a connection. */
  readonly value: unknown;
}

/** Numbers of children: `specs` are all, `active` those that run now. */
export interface ChildCount {
  readonly specs: number;
  readonly active: number;
  readonly supervisors: number;
  readonly workers: number;
}

export class Member {
  readonly spec: ResolvedSpec;
  readonly handle: ChildHandle;
  life: Life | undefined;
  status: Branch["status"] = "stopped";
  since = 0;
  /** When it came up last, by the monotonic clock. */
  upAt = -Infinity;
  /** It has been up before. */
  known = false;
  restarts = 0;
  /** Failures in a row, for the back-off. */
  failures = 0;
  /** How it ended last, or why it could not be started. */
  died: ExitReason | undefined;
  /** Until the next try. */
  retry: Timer | undefined;
  readonly #clock: Clock;

  constructor(spec: ResolvedSpec, clock: Clock) {
    this.spec = spec;
    this.#clock = clock;
    this.handle = handleOf(this);
  }

  /** Somebody is there, or is about to be again. */
  get wanted(): boolean {
    return this.status !== "stopped";
  }

  turn(status: Branch["status"]): void {
    this.status = status;
    this.since = this.#clock.wall();
  }

  cancelRetry(): void {
    this.retry?.cancel();
    this.retry = undefined;
  }

  branch(): Branch {
    const { id, type, status, restarts, since } = this.handle;
    return { id, type, status, restarts, since, ...this.#described() };
  }

  /** What a child says about itself is an extra; one that fails at it is shown without. */
  #described(): Pick<Branch, "detail" | "children"> {
    try {
      const { detail, children } = this.life?.child.describe?.() ?? {};
      return {
        ...(typeof detail === "string" ? { detail } : {}),
        ...(Array.isArray(children) ? { children: cleanBranches(children) } : {}),
      };
    } catch {
      return {};
    }
  }
}

function handleOf(member: Member): ChildHandle {
  const { id, type } = member.spec;
  return Object.freeze({
    id,
    type,
    get status() {
      return member.status;
    },
    get restarts() {
      return member.restarts;
    },
    get since() {
      return member.since;
    },
    get child() {
      return member.life?.child;
    },
    get value() {
      return member.life?.child.value;
    },
  });
}
