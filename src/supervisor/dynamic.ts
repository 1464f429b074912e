/** A supervisor of children that come and go, without an order among them: Elixir's DynamicSupervisor. */
import { show } from "../options.ts";
import type { Branch, Child, ChildSpec, ExitReason, StartContext } from "../ports/child.ts";
import { Actor } from "./actor.ts";
import type { SupervisorHost } from "./host.ts";
import { type ChildCount, type ChildHandle, Member } from "./member.ts";
import { type DynamicSupervisorOptions, type ResolvedDynamic, resolveDynamic } from "./options.ts";
import { type ResolvedSpec, checkSpec, resolveSpec } from "./spec.ts";
import { comesBack } from "./strategy.ts";

/** A dynamic supervisor that runs. Ids need not be unique: the handle that `startChild` gives is the child. */
export interface DynamicSupervisor extends Child, AsyncDisposable {
  readonly id: string;
  /** The ids from the root of the tree to this supervisor. */
  readonly path: readonly string[];
  /**
   * "shutdown" when it was stopped. Rejects with `MaxRestartIntensityError` when it has given up; nobody handling that, it is an
   * unhandled rejection, which ends the process.
   */
  readonly exited: Promise<ExitReason>;
  /** Resolves when nothing of it is left, however it ended. Unlike `exited` it never rejects. */
  readonly gone: Promise<void>;
  /**
   * Starts a child. Gives `undefined` when its `start` gave nothing: then it is not kept.
   *
   * @throws SupervisorError "max_children".
   * @throws ChildStartError when it could not be started; it is not kept.
   * @throws TypeError for a specification that makes no sense.
   */
  startChild(spec: ChildSpec): Promise<ChildHandle | undefined>;
  /**
   * Stops a child, or its waiting for a restart, and forgets it.
   *
   * @throws SupervisorError "not_found".
   */
  terminateChild(child: ChildHandle): Promise<void>;
  /** All children, in the order in which they came. */
  children(): ChildHandle[];
  count(): ChildCount;
  /** The specification of a child, complete, with `shutdown` in milliseconds. */
  childSpec(child: ChildHandle): ResolvedSpec | undefined;
  /** Stops all children at the same time, and then itself. "kill" gives them no time. Never rejects. */
  stop(mode?: "shutdown" | "kill"): Promise<void>;
  describe(): { readonly children: readonly Branch[] };
}

/** A dynamic supervisor that is not started yet: the child specification by which another one starts it, or you. */
export interface DynamicSupervisorSpec extends ChildSpec {
  readonly type: "supervisor";
  /** @throws AbortError when `signal` has aborted. */
  readonly start: (context?: StartContext) => Promise<DynamicSupervisor>;
}

/** @throws TypeError for options that make no sense. */
export function dynamicSupervisorSpec(options: DynamicSupervisorOptions, host: SupervisorHost): DynamicSupervisorSpec {
  const resolved = resolveDynamic(options);
  const { restart = "permanent", shutdown = "infinity", significant = false } = options;
  const start = (context?: StartContext): Promise<DynamicSupervisor> => DynamicActor.start(resolved, host, context);
  const spec: DynamicSupervisorSpec = { id: resolved.id, type: "supervisor", restart, shutdown, significant, start };
  checkSpec(spec);
  return spec;
}

class DynamicActor extends Actor implements DynamicSupervisor {
  readonly #options: ResolvedDynamic;

  constructor(options: ResolvedDynamic, host: SupervisorHost, context: StartContext | undefined) {
    super(options, context?.path, host);
    this.#options = options;
  }

  static async start(options: ResolvedDynamic, host: SupervisorHost, context?: StartContext) {
    const supervisor = new DynamicActor(options, host, context);
    await supervisor.boot([], context?.signal);
    return supervisor;
  }

  async startChild(spec: ChildSpec): Promise<ChildHandle | undefined> {
    const resolved = resolveSpec(spec, "dynamic");
    const action = `start child ${show(resolved.id)}`;
    return this.operation(action, resolved.id, async () => {
      const { maxChildren } = this.#options;
      if (this.size >= maxChildren) {
        const why = `supervisor ${this.named} has ${maxChildren} already; raise "maxChildren", or terminate one`;
        throw this.refusal("max_children", action, why, resolved.id);
      }
      const member = new Member(resolved, this.host.clock);
      this.keep(member);
      try {
        await this.up(member);
      } catch (error) {
        this.drop(member);
        throw error;
      }
      return this.#kept(member) ? member.handle : undefined;
    });
  }

  async terminateChild(child: ChildHandle): Promise<void> {
    const starting = this.find(child);
    if (starting) this.abortRestart(starting);
    const action = "terminate a child";
    await this.operation(action, undefined, async () => {
      const member = this.find(child);
      if (!member) throw this.refusal("not_found", action, `it is none of supervisor ${this.named}`);
      await this.down(member);
      this.drop(member);
    });
  }

  childSpec(child: ChildHandle): ResolvedSpec | undefined {
    return this.find(child)?.spec;
  }

  protected override keyOf({ handle }: Member): ChildHandle {
    return handle;
  }

  protected override async onExit(member: Member, reason: ExitReason): Promise<void> {
    if (comesBack(reason, member.spec)) return this.again(member);
    member.turn("stopped");
    this.drop(member);
  }

  protected override async restart(member: Member): Promise<Member | undefined> {
    if (!(await this.upAgain(member))) return member;
    this.#kept(member);
    return undefined;
  }

  protected override async clear(): Promise<void> {}

  /** With one timer for all that may take as long. */
  protected override async takeDown(): Promise<void> {
    const groups = Map.groupBy(this.members, ({ spec }) => spec.shutdown);
    await Promise.all([...groups].map(([shutdown, members]) => this.downAll(members, shutdown)));
  }

  /** One that wants no supervision is not kept, whatever its restart type. */
  #kept(member: Member): boolean {
    if (!member.life) this.drop(member);
    return member.life !== undefined;
  }
}
