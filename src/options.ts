/** Checks that every feature's options go through, so that a typo is an error and not a default. */

/** Throws `TypeError` for an option that does not exist, naming the nearest one that does. */
export function refuseUnknown(options: object, known: readonly string[], owner: string): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near ? `did you mean "${near}"?` : `known options are ${known.join(", ")}`;
    throw new TypeError(`Cannot use option "${key}" of ${owner}: it does not exist; ${hint}`);
  }
}

/** A whole number of at least `least`, or `Infinity` where that is allowed. */
export function resolveCount(value: unknown, option: string, least: number, unlimited = false): number {
  if (unlimited && value === Infinity) return Infinity;
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw new TypeError(
    `Cannot use ${show(value)} as ${option}: a whole number from ${least}${unlimited ? " or Infinity" : ""} is wanted`,
  );
}

export function resolveBoolean(value: unknown, option: string): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`Cannot use ${show(value)} as ${option}: true or false is wanted`);
}

/** What a person wrote, for a message: short, and never an exception of its own. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "function") return value.name ? `function ${value.name}` : "a function";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** The known word that `key` is most likely a slip of. */
function nearest(key: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = key.length < 4 ? 2 : 3;
  for (const name of known) {
    const far = distance(name.toLowerCase(), key.toLowerCase());
    if (far < least) [best, least] = [name, far];
  }
  return best;
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
