/** Keeps secrets out of what is printed. */

/** Anything shorter would hit words that have nothing to do with it. */
const shortest = 4;

/** Replaces each secret's value by its name. A value of several lines is found line by line. */
export function redactor(secrets: Readonly<Record<string, string>>): (text: string) => string {
  const found = Object.entries(secrets)
    .flatMap(([name, value]) => value.split(/\r?\n/).map((part) => ({ part, shown: `[secret ${name}]` })))
    .filter(({ part }) => part.length >= shortest)
    // One secret may be the beginning of another.
    .toSorted((left, right) => right.part.length - left.part.length);
  if (found.length === 0) return (text) => text;
  return (text) => found.reduce((rest, { part, shown }) => rest.replaceAll(part, shown), text);
}

/** Keeps them out of the texts of an error as well, and of those that it was caused by. */
export function redactError(error: unknown, redact: (text: string) => string, seen = new Set<unknown>()): void {
  if (!(error instanceof Error) || seen.has(error)) return;
  seen.add(error);
  for (const key of new Set(["message", "stack", ...Object.keys(error)])) {
    const text = (error as unknown as Record<string, unknown>)[key];
    if (typeof text !== "string" || redact(text) === text) continue;
    try {
      Object.defineProperty(error, key, { value: redact(text), writable: true, configurable: true });
    } catch {
      // Frozen by its owner: better none than one that says too much.
      Reflect.deleteProperty(error, key);
    }
  }
  redactError(error.cause, redact, seen);
}
