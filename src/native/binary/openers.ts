/** How a URL is read, by its scheme. Others are added by whoever knows them: a store, a cloud. */
import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";

/** Reads what a URL stands for. Rejects, or fails while it is read, when it cannot; `signal` aborts when it is no longer wanted. */
export type Opener = (url: URL, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

export const openers = new Map<string, Opener>([
  ["file:", async (url, signal) => createReadStream(fileURLToPath(url), { signal })],
  ["http:", openWeb],
  ["https:", openWeb],
]);

async function openWeb(url: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const answer = await fetch(url, { signal });
  if (answer.ok && answer.body) return answer.body;
  await answer.body?.cancel();
  throw new Error(`the server answered ${answer.status} ${answer.statusText}`.trim());
}
