/** Keys of what is stored. */
import { show } from "./options.ts";

/** What a driver takes. What a store takes is shorter by what leases and memos put before it. */
export const longestKey = 900;

/**
 * @param what Whose key it is, as messages say it: "a cell".
 * @throws TypeError for what cannot be a key. Half a surrogate pair has no UTF-8: two such keys would be one.
 */
export function checkKey(key: unknown, what: string, longestBytes = longestKey): asserts key is string {
  const size = typeof key === "string" ? Buffer.byteLength(key) : 0;
  if (typeof key === "string" && size > 0 && size <= longestBytes && key.isWellFormed()) return;
  const is =
    typeof key !== "string"
      ? "it is no string"
      : size === 0
        ? "it is empty"
        : size > longestBytes
          ? `it has ${size} bytes`
          : "it is not well-formed Unicode";
  throw new TypeError(
    `Cannot use ${show(key)} as the key of ${what}: ${is}; 1 to ${longestBytes} bytes as UTF-8 are wanted`,
  );
}
