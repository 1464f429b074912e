/** Checks that every feature's options go through, so that a typo is an error and not a default. */

/** Throws `TypeError` for an option that does not exist, naming the nearest one that does. */
export function refuseUnknown(options: object, known: readonly string[], owner: string): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = known.find((name) => distance(name.toLowerCase(), key.toLowerCase()) <= 2);
    const hint = near ? `did you mean "${near}"?` : `known options are ${known.join(", ")}`;
    throw new TypeError(`Cannot use option "${key}" of ${owner}: it does not exist; ${hint}`);
  }
}

/** A whole number of at least `least`, or `Infinity` where that is allowed. */
export function resolveCount(value: unknown, option: string, least: number, unlimited = false): number {
  if (unlimited && value === Infinity) return Infinity;
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw new TypeError(`Cannot use ${String(value)} as ${option}: a whole number from ${least}${unlimited ? " or Infinity" : ""} is wanted`);
}

export function resolveBoolean(value: unknown, option: string): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`Cannot use ${String(value)} as ${option}: true or false is wanted`);
}

/** Edit distance, small words only. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1;
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same));
    }
    row = next;
  }
  return row[right.length]!;
}
