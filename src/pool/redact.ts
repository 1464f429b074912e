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
