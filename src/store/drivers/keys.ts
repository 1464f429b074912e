/** What drivers share about keys. */
import { show } from "../../options.ts";

const longestBytes = 900;

/** In the order of S3: by the bytes of UTF-8. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** @throws TypeError for what cannot be a key. Half a surrogate pair has no UTF-8: two such keys would be one. */
export function checkKey(key: string): void {
  const size = Buffer.byteLength(key);
  if (size > 0 && size <= longestBytes && key.isWellFormed()) return;
  const is =
    size > longestBytes ? `it has ${size} bytes` : size === 0 ? "it is empty" : "it is not well-formed Unicode";
  throw new TypeError(`Cannot use ${show(key)} as key: ${is}; 1 to ${longestBytes} bytes as UTF-8 are wanted`);
}
