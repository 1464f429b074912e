import { type Context, header } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { StoredObject } from "./state.ts";

/** An ETag without its quotes. */
export const bare = (etag: string) => etag.trim().replace(/^"(.*)"$/, "$1");

function failed(condition: string): S3Error {
  return new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
    Condition: condition,
  });
}

/** Throws unless an `If-Match` of the given ETag may go on. An absent key is a case of its own: 404. */
export function requireMatch(context: Context, etag: string, current: StoredObject | undefined): void {
  if (!context.site.rules.matches(bare(etag), current)) {
    if (current) throw failed("If-Match");
    throw new S3Error("NoSuchKey", "The specified key does not exist.", { Key: context.key });
  }
}

/** The condition of a write, to be called in the same step as the write itself. Refuses what AWS does not offer. */
export function writeCondition(context: Context): (current: StoredObject | undefined) => void {
  const match = header(context, "if-match");
  const none = header(context, "if-none-match");
  if (!context.site.conditionalWrites) return () => undefined;
  const deletes = context.operation === "DeleteObject";
  const unknown =
    (none !== undefined && (none !== "*" || deletes || match !== undefined)) || (match === "*" && !deletes);
  if (unknown || context.headers["if-modified-since"] || context.headers["if-unmodified-since"]) {
    throw new S3Error("NotImplemented", "A header you provided implies functionality that is not implemented", {
      Header: none === undefined ? "If-Match" : "If-None-Match",
    });
  }
  return (current) => {
    if (none !== undefined && !context.site.rules.isFree(current)) throw failed("If-None-Match");
    if (match !== undefined) requireMatch(context, match, current);
  };
}

/** Throws 412 or 304 when the conditions of a read, or those about a copy's source, do not hold. */
export function requireReadable(context: Context, current: StoredObject, prefix = ""): void {
  const lists = (name: string) =>
    header(context, prefix + name)
      ?.split(",")
      .map(bare);
  const time = (name: string) => Date.parse(header(context, prefix + name) ?? "");
  const changed = Math.floor(current.modified.getTime() / 1000) * 1000;
  const has = (etags: readonly string[]) => etags.includes("*") || etags.includes(current.etag);
  const match = lists("if-match");
  if (match ? !has(match) : changed > time("if-unmodified-since"))
    throw failed(match ? "If-Match" : "If-Unmodified-Since");
  const none = lists("if-none-match");
  if (none ? has(none) : changed <= time("if-modified-since")) {
    if (prefix) throw failed(`${prefix}${none ? "if-none-match" : "if-modified-since"}`);
    throw new S3Error(
      "NotModified",
      "Not Modified",
      {},
      { etag: `"${current.etag}"`, "last-modified": current.modified.toUTCString() },
    );
  }
}
