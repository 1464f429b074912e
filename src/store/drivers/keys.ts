/** The order of keys. */

/** In the order of S3: by the bytes of UTF-8. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
