/** How many cores a type of instance has, by its name: known before anything is asked of EC2. */

/** Types whose small sizes have two cores that they share. */
const burstable = /^t\d/;

/** Undefined where the name does not say it, as of bare metal. */
export function coresOf(type: string): number | undefined {
  const [family = "", size = ""] = type.split(".");
  const times = /^(\d*)xlarge$/.exec(size);
  if (times) return 4 * Number(times[1] || 1);
  if (size === "large") return 2;
  if (size === "nano" || size === "micro" || size === "small" || size === "medium")
    return burstable.test(family) ? 2 : 1;
  return undefined;
}

/** What is rented when nobody says what: two cores, of several families, so that one without capacity is no matter. */
export const usualTypes: Readonly<Record<string, readonly string[]>> = {
  x64: ["c7i.large", "c7a.large", "m7i.large", "m7a.large", "c6i.large", "c6a.large", "m6i.large", "m6a.large"],
  arm64: ["c8g.large", "c7g.large", "m8g.large", "m7g.large", "c6g.large", "m6g.large"],
};
