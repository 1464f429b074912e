import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { actions } from "./actions/all.ts";
import { identity } from "./actions/identity.ts";
import type { Call } from "./actions/action.ts";
import type { Account } from "./state/account.ts";
import type { Lifecycle } from "./state/lifecycle.ts";
import { exceeded } from "./state/throttle.ts";
import { answerXml } from "./wire/answer.ts";
import { authenticate, claimedKey } from "./wire/authenticate.ts";
import type { Calls, OpenCall } from "./wire/calls.ts";
import { Ec2Error, errorXml, unauthorized } from "./wire/errors.ts";
import type { CloudFaults, Effect, Strike } from "./wire/faults.ts";
import { decodeForm, parseForm } from "./wire/form.ts";
import type { Principals } from "./wire/principals.ts";

/** Everything that an exchange needs of its endpoint. */
export interface Shared {
  readonly account: Account;
  /** By which signatures are judged. The account's own clock may be ahead of it. */
  clock(): number;
  readonly lifecycle: Lifecycle;
  readonly principals: Principals;
  readonly calls: Calls;
  readonly faults: CloudFaults;
  /** Ends every wait when the endpoint closes. */
  readonly signal: AbortSignal;
}

interface Asked {
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly form: ReadonlyMap<string, string>;
}

/** Ends an exchange without an answer. */
class NoAnswer extends Error {}

const maxBodyBytes = 2 ** 20;
/** The one version of the API that there is. */
const version = "2016-11-15";
const internal = () => new Ec2Error("InternalError", "An internal error has occurred");
const unavailable = () => new Ec2Error("Unavailable", "The service is unavailable. Please try again shortly.");

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new NoAnswer();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function strikeBefore(effect: Effect | undefined): void {
  if (effect?.kind === "droppedRequest") throw new NoAnswer();
  if (effect?.kind === "internalBefore") throw internal();
  if (effect?.kind === "unavailableBefore") throw unavailable();
  if (effect?.kind === "throttle") throw exceeded();
  if (effect?.kind === "error") throw new Ec2Error(effect.code, effect.message ?? effect.code, effect.status);
}

async function strikeAfter(effect: Effect | undefined, signal: AbortSignal): Promise<void> {
  if (effect?.kind === "lostReply") throw new NoAnswer();
  if (effect?.kind === "internalAfter") throw internal();
  if (effect?.kind === "unavailableAfter") throw unavailable();
  if (effect?.kind === "slow") await sleep(effect.ms, undefined, { signal });
}

function callOf(accessKeyId: string, { account, lifecycle, principals }: Shared): Call {
  const principal = principals.of(accessKeyId);
  const caller = principal?.arn ?? "";
  const may = (action: string) => !account.rules.permissions || principal?.may(action) === true;
  const require = (action: string) => {
    if (!may(action)) throw unauthorized(caller, action);
  };
  return { account, lifecycle, caller, may, require };
}

/** Verifies a request and does what it asks for. Returns the XML of the answer. */
function carryOut({ request, body, form }: Asked, logged: OpenCall, requestId: string, shared: Shared): string {
  const { account, principals } = shared;
  const { rules } = account;
  const [path = "/", query = ""] = (request.url ?? "/").split("?");
  const accessKeyId = claimedKey(request.headers);
  const { signatures, digests } = rules;
  authenticate(
    { method: request.method ?? "", path, query, headers: request.headers, body },
    { keys: principals.keys, region: account.region, now: shared.clock(), signatures, digests },
  );
  const call = callOf(accessKeyId, shared);
  const name = logged.action;
  const isIdentity = form.get("Version") === identity.version;
  const found = isIdentity ? undefined : actions.get(name);
  if (isIdentity && name === identity.name) return identity.answer(call, accessKeyId, requestId);
  if (name === "") throw new Ec2Error("MissingAction", "The request must contain the parameter Action");
  if (form.get("Version") !== version) {
    const message = `The requested version (${form.get("Version")}) of service AmazonEC2 does not exist`;
    throw new Ec2Error("NoSuchVersion", message);
  }
  if (!found) throw new Ec2Error("InvalidAction", `The action ${name} is not valid for this web service.`);
  if (rules.throttling) account.throttle.request(name);
  const input = decodeForm(found.operation.input, form, rules);
  logged.parameters = input;
  call.require(`ec2:${name}`);
  if (rules.dryRun && input["DryRun"] === true) {
    throw new Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
  }
  return answerXml(found.operation, found.run(input, call), requestId);
}

async function take(
  request: IncomingMessage,
  logged: OpenCall,
  requestId: string,
  shared: Shared,
): Promise<{ status: number; xml: string }> {
  let strike: Strike | undefined;
  try {
    const body = await bodyOf(request);
    if (request.method !== "POST") throw new Ec2Error("InvalidAction", "Only POST is served here", 405);
    const form = parseForm(body.toString("utf8"));
    logged.form = Object.fromEntries(form);
    logged.action = form.get("Action") ?? "";
    strike = shared.faults.strike(logged.action);
    if (strike?.fault.kind === "hang") await Promise.race([strike.released, aborted(shared.signal)]);
    shared.signal.throwIfAborted();
    strikeBefore(strike?.fault);
    const xml = carryOut({ request, body, form }, logged, requestId, shared);
    await strikeAfter(strike?.fault, shared.signal);
    return { status: 200, xml };
  } catch (error) {
    if (error instanceof NoAnswer || shared.signal.aborted) throw error;
    const refusal = error instanceof Ec2Error ? error : new Ec2Error("InternalError", `${(error as Error).stack}`);
    logged.error = refusal.code;
    return { status: refusal.status, xml: errorXml(refusal, requestId) };
  }
}

/** Takes one request from its first line to the end of its answer. Never throws. */
export async function exchange(request: IncomingMessage, response: ServerResponse, shared: Shared): Promise<void> {
  const requestId = randomUUID();
  // Kept, since a request that was broken off has it no more.
  const { socket } = request;
  const logged = shared.calls.arrived(shared.clock());
  logged.principal = shared.principals.of(claimedKey(request.headers))?.name ?? "";
  try {
    const { status, xml } = await take(request, logged, requestId, shared);
    if (response.destroyed) return;
    logged.status = status;
    const headers = { "content-type": "text/xml;charset=UTF-8", "x-amzn-requestid": requestId };
    response.writeHead(status, { ...headers, date: new Date(shared.clock()).toUTCString() }).end(xml);
  } catch {
    socket.destroy();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
