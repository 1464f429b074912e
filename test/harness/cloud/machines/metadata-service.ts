import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { LaunchOrder } from "../machine-host.ts";
import type { Remote } from "../../calls.ts";
import { type IdentityKeys, identityOf } from "./identity.ts";
import { listing, metadataOf } from "./metadata.ts";
import type { HostCalls, Notice, RoleCredentials } from "./protocol.ts";

interface Guest {
  readonly order: LaunchOrder;
  readonly startedMs: number;
  readonly identity: Readonly<Record<string, string>>;
  notice: (Notice & { toldMs: number }) | undefined;
  issued: { readonly credentials: RoleCredentials; readonly renewMs: number; readonly atMs: number } | undefined;
  /** Token -> Unix milliseconds at which it ends. */
  readonly tokens: Map<string, number>;
}

interface Reply {
  readonly status: number;
  readonly body?: string | Buffer;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const longestTokenSeconds = 21_600;
const missing: Reply = { status: 404 };
const plain = (body: string | Buffer): Reply => ({ status: 200, body, type: "text/plain" });
const json = (value: object): Reply => plain(JSON.stringify(value, undefined, 2));
const inSeconds = (date: Date) => date.toISOString().replace(/\.\d+/, "");

/** The metadata service of all machines of a VPC: who asks is known by its address. */
export class MetadataService {
  readonly #keys: IdentityKeys;
  readonly #host: Remote<HostCalls>;
  readonly #guests = new Map<string, Guest>();
  #server: Server | undefined;

  constructor(keys: IdentityKeys, host: Remote<HostCalls>) {
    this.#keys = keys;
    this.#host = host;
  }

  async listen(address: string, port: number): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(port, address, resolve);
    this.#server = server;
    await promise;
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  add(order: LaunchOrder): void {
    const startedMs = Date.now();
    const identity = identityOf(order, startedMs, this.#keys);
    const guest = { order, startedMs, identity, notice: undefined, issued: undefined, tokens: new Map() };
    this.#guests.set(order.privateIp, guest);
  }

  has(address: string): boolean {
    return this.#guests.has(address);
  }

  remove(id: string): void {
    for (const [address, { order }] of this.#guests) if (order.id === id) this.#guests.delete(address);
  }

  notice(id: string, notice: Notice): void {
    for (const guest of this.#guests.values())
      if (guest.order.id === id) guest.notice = { ...notice, toldMs: guest.notice?.toldMs ?? Date.now() };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const guest = this.#guests.get(request.socket.remoteAddress ?? "");
    const failed = (error: unknown): Reply => ({ status: 500, body: String(error) });
    const reply = guest ? this.#answer(request, guest).catch(failed) : missing;
    const { status, body, type, headers = {} } = await reply;
    const text = body ?? `<html><body>${status}</body></html>`;
    response.writeHead(status, {
      "content-type": type ?? "text/html",
      "content-length": Buffer.byteLength(text),
      server: "EC2ws",
      ...headers,
    });
    response.end(request.method === "HEAD" ? undefined : text);
  }

  async #answer(request: IncomingMessage, guest: Guest): Promise<Reply> {
    const { endpoint, tokens } = guest.order.metadata;
    if (endpoint === "disabled") return { status: 403 };
    // The SDK's MetadataService asks for "//latest/...".
    const path = (request.url ?? "/").replace(/\?.*/, "").replaceAll(/\/+/g, "/");
    if (path === "/latest/api/token") return request.method === "PUT" ? issueToken(request, guest) : { status: 405 };
    if (request.method !== "GET" && request.method !== "HEAD") return { status: 405 };
    const token = request.headers["x-aws-ec2-metadata-token"];
    if (token === undefined ? tokens === "required" : (guest.tokens.get(String(token)) ?? 0) <= Date.now())
      return { status: 401 };
    const versioned = /^\/(?:latest|1\.0|\d{4}-\d{2}-\d{2})(?:\/|$)(.*?)\/?$/.exec(decodeURIComponent(path))?.[1];
    if (versioned === undefined) return path === "/" ? plain("1.0\n2021-03-23\nlatest") : missing;
    return this.#look(versioned, guest);
  }

  async #look(path: string, guest: Guest): Promise<Reply> {
    const { order, identity, notice } = guest;
    const tree = new Map(metadataOf(order, notice));
    for (const [name, value] of Object.entries(identity)) tree.set(`dynamic/instance-identity/${name}`, value);
    if (order.role !== undefined) {
      tree.set("meta-data/iam/info", "");
      tree.set(`meta-data/iam/security-credentials/${order.role}`, "");
    }
    const data = order.userData.subarray(0, order.faults.truncateUserData ?? order.userData.length);
    if (data.length > 0) tree.set("user-data", "");
    if (!tree.has(path)) {
      const names = listing(tree, path);
      return names === undefined ? missing : plain(names);
    }
    if (path === "user-data") return { status: 200, body: Buffer.from(data), type: "application/octet-stream" };
    if (path === "meta-data/iam/info") return json(profile(guest));
    if (path.startsWith("meta-data/iam/security-credentials/")) return this.#credentials(guest, order.role ?? "");
    return plain(tree.get(path) ?? "");
  }

  async #credentials(guest: Guest, role: string): Promise<Reply> {
    const now = Date.now();
    if (!guest.issued || guest.issued.renewMs <= now) {
      const credentials = await this.#host.credentials(role, guest.order.id);
      if (!credentials) return missing;
      // New ones come while the old ones still hold for a while.
      const left = credentials.expiration.getTime() - now;
      guest.issued = { credentials, atMs: now, renewMs: now + left - Math.min(300_000, left / 2) };
    }
    const { credentials, atMs } = guest.issued;
    return json({
      Code: "Success",
      LastUpdated: inSeconds(new Date(atMs)),
      Type: "AWS-HMAC",
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      Token: credentials.sessionToken,
      Expiration: inSeconds(credentials.expiration),
    });
  }
}

function profile({ order, startedMs }: Guest): object {
  const arn = `arn:aws:iam::${order.accountId}:instance-profile/${order.role}`;
  return {
    Code: "Success",
    LastUpdated: inSeconds(new Date(startedMs)),
    InstanceProfileArn: arn,
    InstanceProfileId: "AIPATESTBENCH",
  };
}

function issueToken(request: IncomingMessage, guest: Guest): Reply {
  // Somebody in between: a proxy must not get a token for its clients.
  if (request.headers["x-forwarded-for"] !== undefined) return { status: 403 };
  const wanted = String(request.headers["x-aws-ec2-metadata-token-ttl-seconds"] ?? "");
  const seconds = /^\d{1,5}$/.test(wanted) ? Number(wanted) : 0;
  if (seconds < 1 || seconds > longestTokenSeconds) return { status: 400 };
  const token = randomBytes(40).toString("base64url");
  guest.tokens.set(token, Date.now() + seconds * 1000);
  return { ...plain(token), headers: { "x-aws-ec2-metadata-token-ttl-seconds": String(seconds) } };
}
