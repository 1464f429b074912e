import type { MachineFaults } from "../../machine-host.ts";

/** What goes wrong with machines, and with which. */
export interface MachineFaultRule {
  readonly faults: MachineFaults;
  /** Strikes from the n-th machine that fits on, counted from 1. @default 1 */
  readonly nth?: number;
  /** How many it strikes. @default 1 */
  readonly times?: number;
  /** Tags that it must have. @default any machine */
  readonly tags?: Readonly<Record<string, string>>;
}

/** The faults that machines to be launched will have. */
export class MachineFaultList {
  readonly #rules: { readonly rule: MachineFaultRule; seen: number }[] = [];

  add(rule: MachineFaultRule): void {
    this.#rules.push({ rule, seen: 0 });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  /** The faults of a machine that is launched now: those of all rules that strike it. */
  draw(tags: Readonly<Record<string, string>>): MachineFaults {
    let drawn: MachineFaults = {};
    for (const entry of this.#rules) {
      const { faults, nth = 1, times = 1, tags: wanted = {} } = entry.rule;
      if (Object.entries(wanted).some(([key, value]) => tags[key] !== value)) continue;
      entry.seen++;
      if (entry.seen >= nth && entry.seen < nth + times) drawn = { ...drawn, ...faults };
    }
    return drawn;
  }
}
