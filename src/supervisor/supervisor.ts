/** A supervisor of children that have ids and an order. */
import type { SupervisorError } from "../errors.ts";
import { show } from "../options.ts";
import type { Branch, Child, ChildSpec, ExitReason, StartContext } from "../ports/child.ts";
import { Actor } from "./actor.ts";
import type { SupervisorHost } from "./host.ts";
import { type ChildCount, type ChildHandle, Member } from "./member.ts";
import { type ResolvedSupervisor, type SupervisorOptions, resolveSupervisor } from "./options.ts";
import { type ResolvedSpec, checkSpec, resolveSpec } from "./spec.ts";
import { affectedBy, comesBack, endsSupervisor } from "./strategy.ts";

/**
 * A supervisor that runs. What is asked of it, and how its children end, it handles one at a time, in order: a child that waits in its
 * own `start` or end for its own supervisor waits in vain. `SupervisorError` has OTP's word for a refusal as `reason`.
 */
export interface Supervisor extends Child, AsyncDisposable {
  readonly id: string;
  /** The ids from the root of the tree to this supervisor. */
  readonly path: readonly string[];
  /**
   * "shutdown" when it was stopped or its significant children have ended. Rejects with `MaxRestartIntensityError` when it has
   * given up; nobody handling that, it is an unhandled rejection, which ends the process.
   */
  readonly exited: Promise<ExitReason>;
  /** Resolves when nothing of it is left, however it ended. Unlike `exited` it never rejects. */
  readonly gone: Promise<void>;
  /**
   * Adds a child after the others and starts it. Gives `undefined` for a temporary child whose `start` gave nothing.
   *
   * @throws SupervisorError "already_started" or "already_present" when there is one of that id.
   * @throws ChildStartError when it could not be started; it is not kept.
   * @throws TypeError for a specification that makes no sense.
   */
  startChild(spec: ChildSpec): Promise<ChildHandle | undefined>;
  /**
   * Stops a child and keeps its specification, unless it is temporary. One that waits for a restart is not restarted.
   *
   * @throws SupervisorError "not_found".
   */
  terminateChild(id: string): Promise<void>;
  /**
   * Starts a child that was stopped, or has ended and was not to be restarted.
   *
   * @throws SupervisorError "not_found", "running" or "restarting".
   * @throws ChildStartError when it could not be started; it stays stopped.
   */
  restartChild(id: string): Promise<ChildHandle>;
  /**
   * Forgets the specification of a child that is stopped.
   *
   * @throws SupervisorError "not_found", "running" or "restarting".
   */
  deleteChild(id: string): Promise<void>;
  /** The child of that id, if there is one. */
  child(id: string): ChildHandle | undefined;
  /** All children, in the order in which they are started. */
  children(): ChildHandle[];
  count(): ChildCount;
  /** The specification of a child, complete, with `shutdown` in milliseconds. */
  childSpec(id: string): ResolvedSpec | undefined;
  /** Stops all children, the last one first, and then itself. "kill" gives them no time. Never rejects. */
  stop(mode?: "shutdown" | "kill"): Promise<void>;
  describe(): { readonly children: readonly Branch[] };
}

/** A supervisor that is not started yet: the child specification by which another one starts it, or you. */
export interface SupervisorSpec extends ChildSpec {
  readonly type: "supervisor";
  /**
   * Starts the children, one after the other.
   *
   * @throws ChildStartError when one of them could not be started; those before it are stopped again.
   * @throws AbortError when `signal` aborts before all are up.
   */
  readonly start: (context?: StartContext) => Promise<Supervisor>;
}

/** @throws TypeError for options that make no sense. */
export function supervisorSpec(options: SupervisorOptions, host: SupervisorHost): SupervisorSpec {
  const resolved = resolveSupervisor(options);
  const { restart = "permanent", shutdown = "infinity", significant = false } = options;
  const start = (context?: StartContext): Promise<Supervisor> => SupervisorActor.start(resolved, host, context);
  const spec: SupervisorSpec = { id: resolved.id, type: "supervisor", restart, shutdown, significant, start };
  checkSpec(spec);
  return spec;
}

class SupervisorActor extends Actor implements Supervisor {
  readonly #options: ResolvedSupervisor;

  constructor(options: ResolvedSupervisor, host: SupervisorHost, context: StartContext | undefined) {
    super(options, context?.path, host);
    this.#options = options;
  }

  static async start(options: ResolvedSupervisor, host: SupervisorHost, context?: StartContext): Promise<Supervisor> {
    const supervisor = new SupervisorActor(options, host, context);
    const first = options.children.map((spec) => new Member(spec, host.clock));
    await supervisor.boot(first, context?.signal);
    return supervisor;
  }

  async startChild(spec: ChildSpec): Promise<ChildHandle | undefined> {
    const resolved = resolveSpec(spec, this.#options.autoShutdown);
    const action = `start child ${show(resolved.id)}`;
    return this.operation(action, resolved.id, async () => {
      const found = this.find(resolved.id);
      if (found) throw this.#present(found, action);
      const member = new Member(resolved, this.host.clock);
      this.keep(member);
      try {
        await this.up(member);
      } catch (error) {
        this.drop(member);
        throw error;
      }
      return this.find(resolved.id)?.handle;
    });
  }

  async terminateChild(id: string): Promise<void> {
    const starting = this.find(id);
    if (starting) this.abortRestart(starting);
    const action = `terminate child ${show(id)}`;
    await this.operation(action, id, async () => {
      const member = this.#get(id, action);
      await this.down(member);
      if (member.spec.restart === "temporary") this.drop(member);
    });
  }

  async restartChild(id: string): Promise<ChildHandle> {
    const action = `restart child ${show(id)}`;
    return this.operation(action, id, async () => {
      const member = this.#stopped(id, action);
      await this.up(member);
      return member.handle;
    });
  }

  async deleteChild(id: string): Promise<void> {
    const action = `delete child ${show(id)}`;
    await this.operation(action, id, () => {
      this.drop(this.#stopped(id, action));
    });
  }

  child(id: string): ChildHandle | undefined {
    return this.find(id)?.handle;
  }

  childSpec(id: string): ResolvedSpec | undefined {
    return this.find(id)?.spec;
  }

  protected override keyOf({ spec }: Member): string {
    return spec.id;
  }

  protected override async onExit(member: Member, reason: ExitReason): Promise<void> {
    const { spec } = member;
    if (comesBack(reason, spec)) return this.again(member);
    member.turn("stopped");
    if (spec.restart === "temporary") this.drop(member);
    if (endsSupervisor(this.#options.autoShutdown, spec, this.members)) await this.finish();
  }

  protected override async restart(failed: Member): Promise<Member | undefined> {
    await this.clear(failed);
    for (const member of this.#affected(failed)) if (!(await this.upAgain(member))) return member;
    return undefined;
  }

  /** Those that go down with it, the last one first. Temporary ones do not come back. */
  protected override async clear(failed: Member): Promise<void> {
    for (const member of this.#affected(failed).toReversed()) {
      if (member === failed) continue;
      await this.down(member);
      if (member.spec.restart === "temporary") this.drop(member);
    }
  }

  protected override async takeDown(): Promise<void> {
    for (const member of this.members.toReversed()) await this.down(member);
  }

  #affected(failed: Member): readonly Member[] {
    return affectedBy(this.#options.strategy, this.members, failed);
  }

  #get(id: string, action: string): Member {
    const member = this.find(id);
    if (member) return member;
    throw this.refusal("not_found", action, `supervisor ${this.named} has none of that id`, id);
  }

  #stopped(id: string, action: string): Member {
    const member = this.#get(id, action);
    if (member.status === "stopped") return member;
    const restarting = member.status === "restarting";
    const why = restarting ? "it is being restarted" : "it is running";
    throw this.refusal(restarting ? "restarting" : "running", action, `${why}; terminate it first`, id);
  }

  #present(found: Member, action: string): SupervisorError {
    const id = found.spec.id;
    if (found.life) return this.refusal("already_started", action, "one of that id is running; use another id", id);
    const way = "restart it with restartChild, or delete it first";
    return this.refusal("already_present", action, `one of that id is there and not running; ${way}`, id);
  }
}
