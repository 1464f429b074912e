import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { renderUserData, type UserDataOptions } from "../../../src/backends/boot/user-data.ts";

import { type S3Options, type S3Server, startS3 } from "../../harness/s3/server.ts";
import { whenTestEnds } from "./beside.ts";
import { type BootMachine, machineFolder, type MachineOptions, startMachine } from "./machine.ts";
import { type MetadataOptions, startMetadata } from "./metadata.ts";
import { archive, type TarEntry } from "./tar.ts";

export interface Layer {
  readonly name: string;
  readonly path: string;
  readonly entries: readonly (TarEntry | Buffer)[];
  /** What is stored, instead of the archive that the manifest names. */
  readonly stored?: (bytes: Buffer) => Buffer | undefined;
  /** Over what the manifest says of the layer. */
  readonly figures?: Readonly<Record<string, unknown>>;
  /** Instead of an archive of the entries. */
  readonly bytes?: Buffer;
}

export interface ReleaseOptions {
  readonly layers?: readonly Layer[];
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** What is stored, instead of the manifest; undefined stores nothing. */
  readonly stored?: (text: string) => string | undefined;
}

const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** What would run, end a string or need encoding wherever it is not taken as text. */
export const prefix = `it's "$(poweroff)" \`poweroff\` \\ +%20 ü/`;
export const root = "/srv/shop/app";
export const ticket = Buffer.alloc(32, 7).toString("base64url");

/** A stand-in for Node: a shell that runs its "agent", which is a shell script. */
const node: TarEntry = {
  name: "bin/node",
  mode: 0o755,
  data: '#!/bin/sh\n[ "$1" = --version ] && exec echo v24.0.0\nexec /bin/bash "$@"\n',
};

export const nodeLayer: Layer = {
  name: "node",
  path: "/opt/tinderbox/node",
  entries: [{ name: "bin/", kind: "5" }, node],
};
export const dependencies: Layer = {
  name: "dependencies",
  path: root,
  entries: [
    { name: "node_modules", kind: "5" },
    { name: "node_modules/.bin", kind: "5" },
    { name: "node_modules/tool/cli.js", data: "tool", mode: 0o4777 },
    { name: "node_modules/.bin/tool", kind: "2", link: "../tool/cli.js" },
    { name: "node_modules/shop-core", kind: "2", link: "../packages/core" },
  ],
};
export const agentPath = "node_modules/tinderbox/agent.sh";

/** An application whose "machine process" is the given bash script. It gets the parameters' path as $1. */
export const appLayer = (agent: string): Layer => ({
  name: "app",
  path: root,
  entries: [
    { name: agentPath, data: agent },
    { name: "main.js", data: "main" },
    { name: "packages/core/index.js", data: "core" },
  ],
});

/** Reads its parameters as the machine process does, then lives on, heard by its parent. */
export const listening = `cat "$1" >/run/tinderbox/machine/seen; rm "$1"; id >/run/tinderbox/machine/id
echo "the machine process runs"
while sleep 0.3; do touch /run/tinderbox/parent; done`;

/** Everything that a machine talks to, and a release for it. */
export interface Site {
  readonly folder: string;
  readonly s3: S3Server;
  readonly metadata: { readonly asked: string[] };
  /** Bytes that the bucket has sent to the machine. */
  readonly traffic: { received: number };
  release(options?: ReleaseOptions): Promise<string>;
  /** Writes an object of the bucket. */
  put(key: string, body: Uint8Array): Promise<unknown>;
  userData(options: Partial<UserDataOptions> & { readonly release: string }): string;
}

export interface SiteOptions {
  readonly s3?: S3Options;
  /** When they end by what the metadata service says. @default the truth */
  readonly expiration?: string;
  /** What the metadata service answers instead of what it would; undefined leaves it. */
  readonly answer?: MetadataOptions["answer"];
  readonly tokenStatus?: number;
  /** Milliseconds until the role's credentials end, for each set of them. @default 3600000 */
  readonly expiresInMs?: (issued: number) => number;
}

export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const folder = machineFolder();
  const s3 = await startS3(options.s3);
  whenTestEnds(() => s3.dispose());
  const issued = { count: 0 };
  const answer = (path: string): string | number | undefined => {
    const other = options.answer?.(path);
    if (other !== undefined) return other;
    if (path === "meta-data/instance-id") return "i-0123456789abcdef0";
    if (path === "dynamic/instance-identity/document") return '{"instanceId":"i-0123456789abcdef0"}';
    if (path === "dynamic/instance-identity/signature") return "c2lnbmVk\nc2ln";
    if (path === "meta-data/iam/security-credentials/") return "runner";
    if (path !== "meta-data/iam/security-credentials/runner") return undefined;
    const expiresInMs = options.expiresInMs?.(++issued.count) ?? 3_600_000;
    const role = s3.credentialsFor(`role${issued.count}`, { session: true, expiresInMs });
    return JSON.stringify({
      Code: "Success",
      AccessKeyId: role.accessKeyId,
      SecretAccessKey: role.secretAccessKey,
      Token: role.sessionToken,
      Expiration: options.expiration ?? role.expiration?.toISOString().replace(/\.\d+/, ""),
    });
  };
  const metadata = await startMetadata(join(folder, "metadata"), { answer, tokenStatus: options.tokenStatus ?? 200 });
  whenTestEnds(async () => metadata[Symbol.asyncDispose]());
  const traffic = await lead(join(folder, "bucket"), Number(new URL(s3.endpoint).port));

  const client = new S3Client({
    endpoint: s3.endpoint,
    region: s3.region,
    credentials: s3.credentials,
    forcePathStyle: true,
  });
  whenTestEnds(() => client.destroy());
  const put = (key: string, body: Uint8Array) =>
    client.send(new PutObjectCommand({ Bucket: "test", Key: key, Body: body }));

  return {
    folder,
    s3,
    put,
    traffic,
    metadata,
    async release({
      layers = [nodeLayer, dependencies, appLayer(listening)],
      manifest = {},
      stored = (text: string) => text,
    } = {}) {
      const described = [];
      for (const { name, path, entries, figures, stored: keep = (bytes: Buffer) => bytes, bytes } of layers) {
        const packed = bytes ?? archive(...entries);
        const hash = sha256(packed);
        const kept = keep(packed);
        if (kept) await put(`${prefix}layers/${hash}.tar.gz`, kept);
        const unpackedBytes = entries.reduce(
          (sum, one) => sum + (Buffer.isBuffer(one) ? 0 : Buffer.from(one.data ?? "").length),
          0,
        );
        described.push({
          name,
          sha256: hash,
          bytes: packed.length,
          unpackedBytes,
          entries: entries.length,
          path,
          ...figures,
        });
      }
      const arch = process.arch;
      const all = {
        format: 1,
        node: "v24.0.0",
        platform: "linux",
        arch,
        root,
        layers: described,
        agent: agentPath,
        ...manifest,
      };
      const text = JSON.stringify(all);
      const id = sha256(text);
      const kept = stored(text);
      if (kept !== undefined) await put(`${prefix}releases/${id}.json`, Buffer.from(kept));
      return id;
    },
    userData: (over) =>
      renderUserData({
        region: s3.region,
        endpoint: "http://10.9.0.1:9000",
        bucket: "test",
        prefix,
        addresses: ["10.9.0.1:4000"],
        fingerprint: "ab".repeat(32),
        ticket,
        lifetimeMs: 300_000,
        noParentMs: 60_000,
        parentLostMs: 60_000,
        ...over,
      }),
  };
}

/** A Unix socket that leads to a port of this host. */
async function lead(socket: string, port: number): Promise<{ received: number }> {
  const traffic = { received: 0 };
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((client) => {
    const other = connect(port, "127.0.0.1");
    other.on("data", (data) => (traffic.received += data.length));
    for (const [one, peer] of [
      [client, other],
      [other, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => peer.destroy()).on("close", () => void (sockets.delete(one), peer.destroy()));
      one.pipe(peer);
    }
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(socket, resolve);
  await promise;
  whenTestEnds(async () => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    for (const one of sockets) one.destroy();
    await closed.promise;
  });
  return traffic;
}

export interface BootOptions {
  readonly site?: SiteOptions;
  readonly release?: ReleaseOptions;
  readonly userData?: Partial<UserDataOptions>;
  readonly machine?: Omit<MachineOptions, "userData">;
  /** A change to the rendered user data. */
  readonly change?: (text: string) => string;
  /** Last words to the site before the machine starts: its faults. */
  readonly before?: (site: Site) => void;
}

/** A site and a machine of it, whose user data runs. */
export async function boot(options: BootOptions = {}): Promise<{ readonly site: Site; readonly machine: BootMachine }> {
  const site = await startSite(options.site);
  const release = await site.release(options.release);
  options.before?.(site);
  const { change = (text) => text } = options;
  const userData = change(site.userData({ release, ...options.userData }));
  return { site, machine: startMachine(site.folder, { userData, ...options.machine }) };
}

/** The three layers, the last with the given "machine process". */
export const running = (agent: string): ReleaseOptions => ({ layers: [nodeLayer, dependencies, appLayer(agent)] });
