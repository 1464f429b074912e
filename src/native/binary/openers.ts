/** How a URL is read, by its scheme. Others are added by whoever knows them: a store, a cloud. */
import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { decoded } from "./secrets.ts";

/** Reads what a URL stands for. Rejects, or fails while it is read, when it cannot; `signal` aborts when it is no longer wanted. */
export type Opener = (url: URL, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

export const openers = new Map<string, Opener>([
  ["file:", async (url, signal) => createReadStream(fileURLToPath(url), { signal })],
  ["http:", openWeb],
  ["https:", openWeb],
]);

async function openWeb(url: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const { plain, authorization } = withoutUser(url);
  const answer = await fetch(plain, { signal, ...(authorization !== undefined && { headers: { authorization } }) });
  if (answer.ok && answer.body) return answer.body;
  await answer.body?.cancel();
  throw new Error(`the server answered ${answer.status} ${answer.statusText}`.trim());
}

/** `fetch` takes no URL with a name and a password in it, and shows them in its refusal. A redirection elsewhere does not get them. */
function withoutUser(url: URL): { readonly plain: URL; readonly authorization?: string } {
  if (url.username === "" && url.password === "") return { plain: url };
  const plain = new URL(url);
  plain.username = plain.password = "";
  const pair = `${decoded(url.username)}:${decoded(url.password)}`;
  return { plain, authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}
