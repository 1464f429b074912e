/**
 * Is a history linearizable? Each operation has an interval and an effect on one shared value; there must be an order of all of them, in
 * which each takes effect at one moment of its interval, that explains every answer. (Wing and Gong's search, with the states that led
 * nowhere remembered.)
 */
export interface Operation {
  /** When it was asked for, and when it was answered; `Infinity`: it never was, and may take effect at any time after, or never. */
  readonly from: number;
  readonly to: number;
  readonly name: string;
  /** The state after it; undefined when it cannot have happened on this state, for its answer was another. */
  readonly apply: (state: string) => string | undefined;
}

/** Undefined when it is; else the longest order that was found, and what could not come next. */
export function explain(initial: string, history: readonly Operation[]): string | undefined {
  const all = history.toSorted((left, right) => left.from - right.from);
  const done = new Uint8Array(all.length);
  const failed = new Set<string>();
  const order: Operation[] = [];
  let longest: readonly Operation[] = [];
  let open = all.filter(({ to }) => to !== Infinity).length;

  const search = (state: string): boolean => {
    if (open === 0) return true;
    const seen = `${state}|${done.join("")}`;
    if (failed.has(seen)) return false;
    // Whoever began after one that is not done yet was answered comes after it.
    let end = Infinity;
    for (const [index, { from, to }] of all.entries()) {
      if (from > end) break;
      if (!done[index]) end = Math.min(end, to);
    }
    for (const [index, operation] of all.entries()) {
      if (operation.from > end) break;
      if (done[index]) continue;
      const next = operation.apply(state);
      if (next === undefined) continue;
      done[index] = 1;
      order.push(operation);
      if (operation.to !== Infinity) open--;
      if (order.length > longest.length) longest = [...order];
      if (search(next)) return true;
      if (operation.to !== Infinity) open++;
      order.pop();
      done[index] = 0;
    }
    failed.add(seen);
    return false;
  };

  if (search(initial)) return undefined;
  const left = all.filter((operation) => !longest.includes(operation) && operation.to !== Infinity);
  const text = (operations: readonly Operation[]): string =>
    operations.map(({ name, from, to }) => `  ${name} [${from}, ${to}]`).join("\n");
  return `the longest order that explains the answers:\n${text(longest.slice(-10))}\nand then none of:\n${text(left.slice(0, 10))}`;
}

/** The operations of a cell that holds a number. */
export const operations = {
  get: (value: number, from: number, to: number): Operation => ({
    from,
    to,
    name: `get -> ${value}`,
    apply: (state) => (state === String(value) ? state : undefined),
  }),
  set: (value: number, from: number, to: number): Operation => ({
    from,
    to,
    name: `set ${value}`,
    apply: () => String(value),
  }),
  /** `result` is undefined when it was not told. */
  add: (by: number, result: number | undefined, from: number, to: number): Operation => ({
    from,
    to,
    name: `add ${by} -> ${result ?? "?"}`,
    apply: (state) => {
      const next = String(Number(state) + by);
      return result === undefined || next === String(result) ? next : undefined;
    },
  }),
} as const;
