/** The executors of one runner: which of them takes the next call, and which process stands for each. */
import type { Captured } from "../closure/capture.ts";
import { Lane } from "./lane.ts";

/** Starts of one executor in a row that come to nothing, before its machine is given up. */
const maxFailedStarts = 3;

export interface ExecutorsOptions {
  readonly runner: string;
  readonly runnerNumber: number;
  readonly processes: number;
  readonly concurrency: number;
}

export class Executors {
  readonly #options: ExecutorsOptions;
  /** By number of the executor. */
  readonly #lanes: Lane[];
  readonly #failedStarts: number[];

  constructor(options: ExecutorsOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.processes }, (_, number) => new Lane({ ...options, number }));
    this.#failedStarts = this.#lanes.map(() => 0);
  }

  get all(): readonly Lane[] {
    return this.#lanes;
  }

  get first(): Lane {
    return this.#lanes[0]!;
  }

  get ready(): boolean {
    return this.#lanes.every((lane) => lane.ready);
  }

  /** Calls that they can take at a time, as things are. */
  get slots(): number {
    return this.#lanes.filter((lane) => lane.usable).length * this.#options.concurrency;
  }

  /** Whether this is the present process of its executor. */
  has(lane: Lane): boolean {
    return this.#lanes[lane.number] === lane;
  }

  /** The one that takes the next call: the emptiest, as each has a core to itself. */
  pick(): Lane {
    let best: Lane | undefined;
    for (const lane of this.#lanes) if (lane.usable && (!best || lane.busy < best.busy)) best = lane;
    // There is one wherever there are slots; otherwise the call will come back with the end of this one.
    return best ?? this.first;
  }

  /** Asks all that take calls; false when one of them says no. Rejects with what the closure throws. */
  async ask(closure: Captured): Promise<boolean> {
    const answers = await Promise.all(this.#lanes.filter((lane) => lane.usable).map((lane) => lane.ask(closure)));
    return answers.every(Boolean);
  }

  up(lane: Lane): void {
    lane.ready = true;
    this.#failedStarts[lane.number] = 0;
  }

  /** The process has ended. Returns what to start for it, nothing when that has been tried too often. */
  replace(lane: Lane): Lane | undefined {
    const { number, ready } = lane;
    const next = (this.#lanes[number] = new Lane({ ...this.#options, number }));
    const failed = ready ? 0 : ++this.#failedStarts[number]!;
    return failed < maxFailedStarts ? next : undefined;
  }
}
