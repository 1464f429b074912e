import { createHash } from "node:crypto";

/** Name of a piece of code, the same on parent and runner. */
export function hashOf(source: string): string {
  return createHash("sha256").update(source).digest("hex").slice(0, 16);
}
