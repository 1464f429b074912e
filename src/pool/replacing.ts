/**
 * Executors that must go: unwell, or busy with a call that was cancelled and does not stop. Each goes as soon as nobody
 * waits for it any more; where it is the only one of its runner, the runner goes.
 */
import type { Call } from "./call.ts";
import type { Event } from "./decisions.ts";
import type { RunnerLink } from "./link.ts";
import type { Lane } from "./lane.ts";

export interface ReplacingDeps {
  readonly processes: number;
  link(runner: number): RunnerLink | undefined;
  callsOn(lane: Lane): readonly Call[];
  step(event: Event): void;
  /** What stays on that executor by itself is to go. */
  leave(lane: Lane): void;
}

export class Replacing {
  readonly #deps: ReplacingDeps;
  /** With a call past its grace: they are not going to answer. */
  readonly #stuck = new Set<Lane>();

  constructor(deps: ReplacingDeps) {
    this.#deps = deps;
  }

  /** No more calls for it. */
  retire(lane: Lane): void {
    const { processes, step, link, leave } = this.#deps;
    if (processes === 1) return step({ type: "retire", runner: lane.runnerNumber });
    link(lane.runnerNumber)?.retire(lane);
    leave(lane);
    this.look(lane);
  }

  /** One of its calls was cancelled and has not stopped in time. */
  stuck(lane: Lane): void {
    this.#stuck.add(lane);
    this.retire(lane);
    this.look(lane);
  }

  /** To be called when a call on it has ended. */
  look(lane: Lane): void {
    const stuck = this.#stuck.has(lane);
    if (!stuck && !lane.retired) return;
    if (stuck ? this.#deps.callsOn(lane).some((call) => !call.settled) : lane.busy > 0) return;
    const reason = stuck ? "a cancelled call did not stop within its grace" : "it was replaced";
    this.#deps.link(lane.runnerNumber)?.stop(lane, reason);
  }

  /** It has ended. */
  forget(lane: Lane): void {
    this.#stuck.delete(lane);
  }

  forgetRunner(runner: number): void {
    for (const lane of this.#stuck) if (lane.runnerNumber === runner) this.#stuck.delete(lane);
  }
}
