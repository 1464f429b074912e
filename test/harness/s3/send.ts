import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Reply } from "./context.ts";
import { errorXml, type ReplyIds, S3Error } from "./errors.ts";
import type { Effect } from "./faults.ts";

export interface SendOptions {
  readonly ids: ReplyIds;
  readonly nowMs: number;
  readonly effect: Effect | undefined;
  /** Ends a trickle when the server closes. */
  readonly signal: AbortSignal;
}

/** How often a trickle gives its share. */
const trickleMs = 20;

export async function send(response: ServerResponse, answer: Reply | S3Error, options: SendOptions): Promise<void> {
  const { ids, effect } = options;
  const refused = answer instanceof S3Error;
  const xml = refused ? (answer.status === 304 ? undefined : errorXml(answer, ids)) : answer.xml;
  const content = refused ? undefined : answer.content;
  const bodiless = response.req.method === "HEAD" || answer.status === 204 || answer.status === 304;
  const bytes = Buffer.from(xml ?? "");
  const length = content ? content.end - content.start : bytes.length;
  response.sendDate = false;
  response.writeHead(answer.status, {
    date: new Date(options.nowMs).toUTCString(),
    server: "AmazonS3",
    "x-amz-request-id": ids.requestId,
    "x-amz-id-2": ids.hostId,
    ...(xml === undefined ? {} : { "content-type": "application/xml" }),
    ...(bodiless ? {} : { "content-length": length }),
    ...answer.headers,
  });
  if (bodiless) {
    response.end();
    return;
  }
  const pieces = content ? content.content.read(content.start, content.end) : [bytes];
  let left = effect?.kind === "cutBody" ? Math.floor(length / 2) : length;
  let first = effect?.kind === "corruptBody";
  for await (const piece of pieces) {
    let part = piece.subarray(0, left);
    if (first && part.length > 0) {
      part = Buffer.from(part);
      part[0] = (part[0] ?? 0) ^ 1;
      first = false;
    }
    left -= part.length;
    const gone =
      effect?.kind === "slowBody"
        ? !(await trickle(response, part, effect.bytesPerSecond, options.signal))
        : !(await written(response, part));
    if (gone) return;
    if (left === 0) break;
  }
  if (effect?.kind === "cutBody") response.destroy();
  else response.end();
}

/** Resolves to false when the connection is gone. */
function written(response: ServerResponse, piece: Buffer): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  if (response.destroyed) return Promise.resolve(false);
  const closed = () => resolve(false);
  response.once("close", closed);
  response.write(piece, (error) => resolve(!error));
  return promise.finally(() => response.off("close", closed));
}

async function trickle(
  response: ServerResponse,
  piece: Buffer,
  bytesPerSecond: number,
  signal: AbortSignal,
): Promise<boolean> {
  const share = Math.max(1, Math.floor((bytesPerSecond * trickleMs) / 1000));
  for (let at = 0; at < piece.length; at += share) {
    if (!(await written(response, piece.subarray(at, at + share)))) return false;
    await sleep((share * 1000) / bytesPerSecond, undefined, { signal }).catch(() => response.destroy());
  }
  return !response.destroyed;
}
