/** The parent's memory over time: what is left after a full collection, so that only what is held counts. */

/**
 * What the least of the last third may have above the least of the first. What calls carry and runners owe comes and
 * goes by tens of megabytes, the more so on a busy machine; what is never let go of is there in the best moment, too.
 */
const bounds = { heap: 4 * 2 ** 20, external: 12 * 2 ** 20 };
/** Until code is compiled and pools have had each kind of call. */
const settlingShare = 0.15;

interface Sample {
  readonly heap: number;
  readonly external: number;
  readonly rss: number;
}

export interface Trend {
  readonly first: Sample;
  readonly last: Sample;
  readonly wrong: string[];
}

export class Memory {
  readonly #samples: Sample[] = [];

  constructor() {
    if (!globalThis.gc) throw new Error("Cannot measure memory: start Node with --expose-gc");
  }

  sample(): void {
    globalThis.gc!();
    const { heapUsed, external, rss } = process.memoryUsage();
    this.#samples.push({ heap: heapUsed, external, rss });
  }

  trend(): Trend {
    const samples = this.#samples.slice(Math.ceil(this.#samples.length * settlingShare));
    const third = Math.max(1, Math.floor(samples.length / 3));
    const [first, last] = [least(samples.slice(0, third)), least(samples.slice(-third))];
    const wrong = (["heap", "external"] as const)
      .filter((kind) => last[kind] - first[kind] > bounds[kind])
      .map((kind) => `memory grows: ${kind} ${mb(first[kind])} in the first third, ${mb(last[kind])} in the last`);
    return { first, last, wrong };
  }
}

function least(samples: readonly Sample[]): Sample {
  const of = (kind: keyof Sample): number => Math.min(...samples.map((one) => one[kind]));
  return { heap: of("heap"), external: of("external"), rss: of("rss") };
}

export function mb(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
