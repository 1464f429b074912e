/**
 * What all supervisors are: an actor that owns children, handles what is asked of it and how they end one at a time, starts
 * them again within its limits, and takes all of them along when it ends. Which children, and in which order, the heirs say.
 */
import { backoffMs } from "../backoff.ts";
import { AbortError, ChildStartError, MaxRestartIntensityError, SupervisorError } from "../errors.ts";
import { formatDuration } from "../duration.ts";
import { show } from "../options.ts";
import type { Branch, Child, ExitReason } from "../ports/child.ts";
import { Attempt } from "./attempt.ts";
import { endLives } from "./ending.ts";
import type { Path, SupervisorHost } from "./host.ts";
import { Intensity } from "./intensity.ts";
import { type Life, exitError } from "./life.ts";
import { Mailbox } from "./mailbox.ts";
import type { ChildCount, ChildHandle, Member } from "./member.ts";
import type { ResolvedDynamic, ResolvedSupervisor } from "./options.ts";
import { Pace } from "./pace.ts";
import type { ResolvedSpec } from "./spec.ts";
import { printTree } from "./tree.ts";

export abstract class Actor implements Child {
  readonly id: string;
  readonly path: Path;
  /** Rejects when it has given up. Nobody in here listens: an error that no parent and no user handles is to end the process. */
  readonly exited: Promise<ExitReason>;
  protected readonly host: SupervisorHost;
  readonly #mailbox = new Mailbox();
  /** In the order of their start, by what others call them. */
  readonly #members = new Map<unknown, Member>();
  /** It ends, or has ended: nothing is started any more. */
  protected ending = false;
  readonly #options: ResolvedSupervisor | ResolvedDynamic;
  readonly #exited = Promise.withResolvers<ExitReason>();
  /** Nothing of it is left. Unlike `exited` it never rejects. */
  readonly #gone = Promise.withResolvers<void>();
  readonly #intensity: Intensity;
  readonly #pace: Pace;
  readonly #since: number;
  readonly #extra: readonly unknown[];
  #status: Branch["status"] = "starting";
  #brutal = false;
  #attempt: Attempt | undefined;
  /** What is being started again just now. */
  #restarting: Member | undefined;

  constructor(options: ResolvedSupervisor | ResolvedDynamic, path: Path | undefined, host: SupervisorHost) {
    this.id = options.id;
    this.path = path ?? [options.id];
    this.host = host;
    this.exited = this.#exited.promise;
    this.#options = options;
    this.#intensity = new Intensity(options.maxRestarts, options.withinMs);
    this.#pace = new Pace(host.clock);
    this.#since = host.clock.wall();
    this.#extra = "extraArguments" in options ? options.extraArguments : [];
  }

  /** What `member` is found by. */
  protected abstract keyOf(member: Member): unknown;
  /** A child has ended by itself; it has no life any more. */
  protected abstract onExit(member: Member, reason: ExitReason): Promise<void>;
  /** Starts it again, with those that belong to it. Gives the one that could not be started. */
  protected abstract restart(member: Member): Promise<Member | undefined>;
  /** Ends those that are not to run while it waits. */
  protected abstract clear(member: Member): Promise<void>;
  /** Ends all. */
  protected abstract takeDown(): Promise<void>;

  children(): ChildHandle[] {
    return this.members.map(({ handle }) => handle);
  }

  count(): ChildCount {
    const { members } = this;
    const supervisors = members.filter(({ spec }) => spec.type === "supervisor").length;
    return {
      specs: members.length,
      active: members.filter(({ life }) => life && life.reason === undefined).length,
      supervisors,
      workers: members.length - supervisors,
    };
  }

  describe(): { readonly children: readonly Branch[] } {
    return { children: this.members.map((member) => member.branch()) };
  }

  stop(mode: "shutdown" | "kill" = "shutdown"): Promise<void> {
    if (this.#status === "stopped") return this.#gone.promise;
    if (mode === "kill") this.#kill();
    if (!this.ending) {
      this.#halt();
      this.#mailbox.tell(() => this.finish());
    }
    return this.#gone.promise;
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    const [status, since] = [this.#status, this.#since];
    return printTree({ id: this.id, type: "supervisor", status, restarts: 0, since, ...this.describe() });
  }

  /** Starts what is to be there from the beginning; when that fails nothing is left behind. */
  protected async boot(first: readonly Member[], signal: AbortSignal | undefined): Promise<void> {
    const abort = (): void => this.#halt();
    const deaf = (): void => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      // How a child ends meanwhile is handled when all are up.
      await this.#mailbox.ask(
        () => this.#bootAll(first, deaf),
        () => this.#aborted(),
      );
    } finally {
      deaf();
    }
  }

  /** `up` is called at the very moment from which on it takes a `stop` to end it. */
  async #bootAll(first: readonly Member[], up: () => void): Promise<void> {
    try {
      for (const member of first) {
        this.keep(member);
        await this.up(member);
      }
      if (this.ending) throw this.#aborted();
      this.#status = "running";
      up();
    } catch (error) {
      this.#halt();
      await this.takeDown();
      this.#end();
      throw error;
    }
  }

  #aborted(): AbortError {
    return new AbortError(`Cannot start supervisor ${this.named}: its start was aborted`);
  }

  /** Runs `job` when it is its turn, unless the supervisor ends before that. */
  protected async operation<T>(action: string, child: string | undefined, job: () => T | Promise<T>): Promise<T> {
    const refusal = () => this.refusal("stopped", action, `supervisor ${this.named} has stopped`, child);
    if (this.ending) throw refusal();
    return this.#mailbox.ask(job, refusal);
  }

  protected refusal(reason: SupervisorError["reason"], action: string, why: string, child?: string): SupervisorError {
    return new SupervisorError(`Cannot ${action}: ${why}`, { reason, supervisor: this.#where, child });
  }

  /** Starts a child. A temporary one that wants no supervision is dropped. */
  protected async up(member: Member): Promise<void> {
    const { spec } = member;
    const path = [...this.path, spec.id];
    member.cancelRetry();
    member.turn("starting");
    try {
      if (this.ending) throw new AbortError(`Cannot start child ${show(spec.id)}: its supervisor is stopping`);
      this.#attempt = new Attempt(spec, path, this.#extra, this.host);
      // Its start may have asked for that, before there was anything to abort.
      if (this.ending) this.#attempt.abort(this.#brutal ? "kill" : "shutdown");
      member.life = await this.#attempt.outcome;
    } catch (cause) {
      member.turn("stopped");
      const message = `Cannot start child ${show(spec.id)} of supervisor ${this.named}: its start failed; see the cause`;
      throw new ChildStartError(message, { supervisor: this.#where, child: spec.id, cause });
    } finally {
      this.#attempt = undefined;
    }
    const { life } = member;
    if (life) this.#isUp(member, life);
    else if (spec.restart === "temporary") this.drop(member);
    else member.turn("stopped");
  }

  #isUp(member: Member, life: Life): void {
    member.turn("running");
    member.upAt = this.host.clock.now();
    const again = member.known;
    member.known = true;
    void life.ended.then(() => this.#mailbox.tell(() => this.#hasEnded(member, life)));
    if (!again) return;
    member.restarts++;
    const { restarts } = member;
    this.host.events.emit("child.restarted", { supervisor: this.#where, child: member.spec.id, restarts });
  }

  /** What ended meanwhile by being told to has been seen by whoever told it. */
  async #hasEnded(member: Member, life: Life): Promise<void> {
    if (member.life !== life) return;
    this.bury(member);
    const { died, upAt } = member;
    if (this.host.clock.now() - upAt >= this.#options.withinMs) member.failures = 0;
    member.failures++;
    await this.onExit(member, died!);
  }

  /** Its life has ended. */
  protected bury(member: Member): void {
    const { life } = member;
    if (!life) return;
    member.life = undefined;
    member.died = life.reason!;
    this.host.events.emit("child.exited", { supervisor: this.#where, child: member.spec.id, reason: member.died });
  }

  /** Ends a child, or its waiting for a restart. */
  protected async down(member: Member): Promise<void> {
    await this.downAll([member], member.spec.shutdown);
  }

  /** Ends children at the same time. */
  protected async downAll(members: readonly Member[], shutdown: ResolvedSpec["shutdown"]): Promise<void> {
    const lives: Life[] = [];
    for (const member of members) {
      member.cancelRetry();
      if (!member.life) continue;
      member.turn("stopping");
      lives.push(member.life);
    }
    await endLives(lives, this.#brutal ? "brutal_kill" : shutdown, this.host);
    for (const member of members) {
      this.bury(member);
      if (member.status !== "stopped") member.turn("stopped");
    }
  }

  /** Starts `member` again: at once, after its pause, or, when it has just failed to start, after others had their turn. */
  protected async again(member: Member, failedStart = false): Promise<void> {
    if (this.ending) return;
    member.turn("restarting");
    const delayMs = this.#delayMs(member, failedStart);
    if (delayMs === undefined) return this.#retry(member);
    if (delayMs > 0) await this.clear(member);
    if (this.ending) return;
    const timer = this.host.clock.timer(delayMs, () => {
      this.#mailbox.tell(async () => {
        if (member.retry === timer) await this.#retry(member);
      });
    });
    // A restart that is due is not forgotten because nothing else is going on.
    timer.hold(true);
    member.retry = timer;
  }

  #delayMs(member: Member, failedStart: boolean): number | undefined {
    const { backoff } = this.#options;
    const pause = backoff ? backoffMs(member.failures, backoff, this.host.random) : 0;
    return pause > 0 || failedStart || !this.#pace.allows() ? pause : undefined;
  }

  async #retry(member: Member): Promise<void> {
    member.retry = undefined;
    if (!this.#intensity.allows(this.host.clock.now())) return this.#giveUp(member);
    // Should one before it fail, that one is what waits for the next try.
    member.turn("stopped");
    const failed = await this.restart(member);
    if (failed) await this.again(failed, true);
  }

  /** Starts one of those that are started again; false when it could not be. */
  protected async upAgain(member: Member): Promise<boolean> {
    this.#restarting = member;
    try {
      await this.up(member);
      return true;
    } catch (error) {
      member.failures++;
      member.died = exitError(ChildStartError.is(error) ? (error as ChildStartError).cause : error);
      const { died } = member;
      const event = { supervisor: this.#where, child: member.spec.id, error: died };
      if (!this.ending) this.host.events.emit("child.failed", event);
      return false;
    } finally {
      this.#restarting = undefined;
    }
  }

  async #giveUp(member: Member): Promise<void> {
    const { maxRestarts, withinMs } = this.#options;
    const child = member.spec.id;
    const facts = { supervisor: this.#where, child, maxRestarts, withinMs, cause: member.died };
    const error = new MaxRestartIntensityError(
      `Cannot keep child ${show(child)} of supervisor ${this.named} running: more than ${maxRestarts} restarts within ` +
        `${formatDuration(withinMs)}; see the cause, or allow more with "maxRestarts" and "within"`,
      facts,
    );
    this.host.events.emit("supervisor.failed", { supervisor: this.#where, child, error });
    await this.finish(error);
  }

  /** Ends all children, and itself. */
  protected async finish(error?: Error): Promise<void> {
    this.#halt();
    await this.takeDown();
    this.#end();
    if (error) this.#exited.reject(error);
    else this.#exited.resolve("shutdown");
  }

  /** From now on nothing is started, and nobody waits for what is. */
  #halt(): void {
    this.ending = true;
    this.#mailbox.clear();
    if (this.#status === "running") this.#status = "stopping";
    this.#attempt?.abort();
  }

  #end(): void {
    this.#status = "stopped";
    this.#gone.resolve();
  }

  #kill(): void {
    this.#brutal = true;
    this.#attempt?.abort("kill");
    const lives = this.members.map(({ life }) => life).filter((life) => life !== undefined);
    // Also those that are being stopped one after the other just now.
    void endLives(lives, "brutal_kill", this.host);
  }

  /** Whoever does not want a child any more need not wait until it has been started again. */
  protected abortRestart(member: Member): void {
    if (this.#restarting === member) this.#attempt?.abort();
  }

  get #where(): string {
    return this.path.join("/");
  }

  protected get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  protected find(key: unknown): Member | undefined {
    return this.#members.get(key);
  }

  protected keep(member: Member): void {
    this.#members.set(this.keyOf(member), member);
  }

  protected drop(member: Member): void {
    this.#members.delete(this.keyOf(member));
  }

  /** How many children there are. */
  protected get size(): number {
    return this.#members.size;
  }

  protected get named(): string {
    return show(this.#where);
  }
}
