import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { authenticate, type Credentials } from "./authenticate.ts";
import type { ContentSinkOptions } from "./content.ts";
import type { Context, Reply, Site } from "./context.ts";
import { makeReplyIds, S3Error } from "./errors.ts";
import type { Effect, Faults, Strike } from "./faults.ts";
import { handlers } from "./handlers.ts";
import { digestWanted } from "./multipart.ts";
import { isRead, type Operation, operationOf } from "./operations.ts";
import type { Partition } from "./partition.ts";
import { receive } from "./receive.ts";
import type { Requests } from "./requests.ts";
import { send } from "./send.ts";
import { parseTarget, type Target } from "./target.ts";

/** Everything that an exchange needs of its server. */
export interface Shared {
  readonly site: Site;
  readonly keys: ReadonlyMap<string, Credentials>;
  readonly faults: Faults;
  readonly requests: Requests;
  readonly partition: Partition;
  readonly sink: ContentSinkOptions;
  readonly latencyMs: { readonly read: number; readonly write: number };
  /** Ends every wait when the server closes. */
  readonly signal: AbortSignal;
}

/** Ends an exchange without an answer. */
class NoAnswer extends Error {}

function refuse(effect: Effect | undefined, kinds: Partial<Record<Effect["kind"], () => Error>>): void {
  const make = effect && kinds[effect.kind];
  if (make) throw make();
}

const slowDown = () => new S3Error("SlowDown", "Please reduce your request rate.");
const internal = () => new S3Error("InternalError", "We encountered an internal error. Please try again.");

function refuseBefore(effect: Effect | undefined): void {
  refuse(effect, {
    conflict: () =>
      new S3Error(
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
      ),
    unavailableBefore: slowDown,
    internalBefore: internal,
  });
}

function refuseAfter(effect: Effect | undefined): void {
  refuse(effect, {
    conditionAfterSuccess: () =>
      new S3Error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", {
        Condition: "If-None-Match",
      }),
    unavailableAfter: slowDown,
    internalAfter: internal,
    lostReply: () => new NoAnswer(),
  });
}

/** Whose request it says it is, before anybody has verified that. */
function claimedKey(request: IncomingMessage): string {
  const text =
    request.headers.authorization ?? decodeURIComponent(/X-Amz-Credential=([^&]*)/i.exec(request.url ?? "")?.[1] ?? "");
  return /(?:Credential=|^)([^/,\s]+)\//.exec(text)?.[1] ?? "";
}

/** Takes one request from its first line to the end of its answer. Never throws. */
export async function exchange(request: IncomingMessage, response: ServerResponse, shared: Shared): Promise<void> {
  const accessKeyId = claimedKey(request);
  if (!(await shared.partition.pass(request.socket, [accessKeyId, request.headers["user-agent"] ?? ""]))) return;
  const ids = makeReplyIds();
  let target: Target | undefined;
  let operation: Operation | undefined;
  let early: S3Error | undefined;
  let strike: Strike | undefined;
  try {
    target = parseTarget(request.url ?? "/", request.headers.host ?? "");
    operation = operationOf(request.method ?? "", target, request.headers);
    strike = shared.faults.strike(operation, target.key ?? "");
  } catch (error) {
    early = asRefusal(error);
  }
  const effect = strike?.fault;
  const nowMs = shared.site.now() + (effect?.kind === "staleClock" ? effect.offsetMs : 0);
  const logged = shared.requests.arrived({
    operation,
    bucket: target?.bucket ?? "",
    key: target?.key ?? "",
    accessKeyId,
  });
  let answer: Reply | S3Error;
  try {
    if (effect?.kind === "droppedRequest") throw new NoAnswer();
    answer = early ?? (await carryOut(request, target, operation, strike, nowMs, shared));
  } catch (error) {
    if (error instanceof NoAnswer || shared.signal.aborted) {
      request.socket.destroy();
      return;
    }
    answer = asRefusal(error);
  }
  try {
    // What is left of a refused body has to be read, or the client could not read the answer.
    request.resume();
    if (!response.destroyed) logged.status = answer.status;
    await send(response, answer, { ids, nowMs, effect, signal: shared.signal });
  } finally {
    if (!(answer instanceof S3Error)) answer.content?.content.release();
  }
}

function asRefusal(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  return new S3Error("InternalError", error instanceof Error ? (error.stack ?? error.message) : String(error));
}

async function carryOut(
  request: IncomingMessage,
  target: Target | undefined,
  operation: Operation | undefined,
  strike: Strike | undefined,
  nowMs: number,
  shared: Shared,
): Promise<Reply> {
  if (!target || !operation) throw new NoAnswer();
  const { site, keys, sink, signal, latencyMs } = shared;
  const { headers } = request;
  const query = (name: string) => target.query.find(([found]) => found === name)?.[1];
  const caller = authenticate(request.method ?? "", target, headers, {
    keys,
    region: site.region,
    now: nowMs,
    rules: site.rules,
  });
  const want = digestWanted(site.buckets.get(target.bucket ?? "")?.uploads, query("uploadId"));
  const body = await receive(request, caller, { ...sink, rules: site.rules, ...(want ? { want } : {}) });
  try {
    const effect = strike?.fault;
    if (effect?.kind === "hang") await Promise.race([strike?.hold(), aborted(signal)]);
    const delayMs = isRead(operation) ? latencyMs.read : latencyMs.write;
    if (delayMs > 0) await sleep(delayMs, undefined, { signal });
    signal.throwIfAborted();
    refuseBefore(effect);
    const context: Context = {
      site,
      operation,
      bucketName: target.bucket ?? "",
      key: target.key ?? "",
      headers,
      body,
      query,
    };
    const reply = await handlers[operation](context);
    try {
      refuseAfter(effect);
      return reply;
    } catch (error) {
      reply.content?.content.release();
      throw error;
    }
  } finally {
    body.content.release();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
