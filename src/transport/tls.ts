/**
 * TLS 1.3 between two machines that know each other by fingerprint: no authority, no host names, no dates, and both sides show
 * a certificate. What comes out has proven that it holds the key of its certificate, and nothing more.
 */
import { createServer, isIPv6, type Server, type Socket } from "node:net";
import { type SecureContext, TLSSocket, connect, createSecureContext } from "node:tls";
import type { Clock } from "../ports/clock.ts";
import type { ConnectionHandlers } from "../ports/transport.ts";
import { type Certificate, fingerprintOf, sameFingerprint } from "./certificate.ts";
import type { Link } from "./resumable-links.ts";

/** A connection after the handshake. */
export interface Secured {
  readonly socket: TLSSocket;
  /** Fingerprint of the other side's certificate. */
  readonly peer: string;
  /** 32 bytes that only the two ends of this very connection know (RFC 8446, 7.5). */
  readonly exporter: Buffer;
  /** The other side's address, for people. */
  readonly remote: string;
}

export interface Dialling {
  readonly secured: Promise<Secured>;
  /** Nothing comes of it; does nothing once it is secured. */
  cancel(): void;
}

export interface DialTlsOptions {
  readonly context: SecureContext;
  readonly clock: Clock;
  /** The only fingerprint that will do; without it the other side may be anybody. */
  readonly fingerprint?: string | undefined;
  /** The machine at the other end has answered; its process has not yet. */
  connected?(): void;
}

/** A packet that gets lost is sent again after a second: enough for two. */
const connectMs = 2_500;
const handshakeMs = 10_000;
const exporterLabel = "EXPORTER-tinderbox";

export function tlsContext({ cert, key }: Certificate): SecureContext {
  return createSecureContext({ cert, key, minVersion: "TLSv1.3", maxVersion: "TLSv1.3" });
}

/** `host:port`, an IPv6 address in brackets. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(?:\[([^\]]+)\]|[^:]+):\d{1,5}$/.test(address)
    ? (/^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [])
    : [];
  if (host === undefined || Number(port) > 65_535 || Number(port) < 1) {
    throw new TypeError(`Cannot dial ${JSON.stringify(address)}: an address is host:port, e.g. "10.0.0.5:41234"`);
  }
  return { host, port: Number(port) };
}

export function formatAddress(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Connects, and checks who is there before a byte of ours is sent. Does not keep the process alive. */
export function dialTls(address: string, options: DialTlsOptions): Dialling {
  const { promise, resolve, reject } = Promise.withResolvers<Secured>();
  const { host, port } = parseAddress(address);
  const socket = connect({
    host,
    port,
    secureContext: options.context,
    // Known by fingerprint, below.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    socket.destroy();
  };
  let timer = options.clock.timer(connectMs, () => fail(timedOut(address, "does not answer", connectMs)));
  const rearm = (): void => {
    timer.cancel();
    timer = options.clock.timer(handshakeMs, () =>
      fail(timedOut(address, "does not finish the handshake", handshakeMs)),
    );
    options.connected?.();
  };
  prepare(socket);
  socket.once("connect", rearm);
  socket.on("error", fail);
  const closed = (): void => {
    timer.cancel();
    reject(failure ?? Object.assign(new Error(`Cannot connect to ${address}: it has hung up`), { code: "ECONNRESET" }));
  };
  socket.once("close", closed);
  socket.once("secureConnect", () => {
    const secured = secure(socket, address);
    if (!secured) return fail(new Error(`Cannot connect to ${address}: it has shown no certificate`));
    if (options.fingerprint !== undefined && !sameFingerprint(secured.peer, options.fingerprint)) {
      return fail(strange(address));
    }
    timer.cancel();
    socket.off("close", closed);
    resolve(secured);
  });
  promise.catch(() => undefined);
  return {
    secured: promise,
    cancel: () =>
      fail(Object.assign(new Error(`Cannot connect to ${address}: it was given up`), { code: "ABORT_ERR" })),
  };
}

/** Makes the server's side of a handshake over a connection that has come in. Rejects when it fails or takes too long. */
export function acceptTls(raw: Socket, context: SecureContext, clock: Clock): Promise<Secured> {
  const { promise, resolve, reject } = Promise.withResolvers<Secured>();
  // A socket that listens for both kinds of addresses shows those of the older kind in a coat of the newer.
  const remote = formatAddress((raw.remoteAddress ?? "unknown").replace(/^::ffff:/, ""), raw.remotePort ?? 0);
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: context,
    requestCert: true,
    rejectUnauthorized: false,
  });
  prepare(socket);
  let failure: Error | undefined;
  const timer = clock.timer(handshakeMs, () => socket.destroy());
  socket.on("error", (error) => {
    failure ??= error;
    socket.destroy();
  });
  socket.once("close", () => {
    timer.cancel();
    raw.destroy();
    reject(failure ?? new Error(`Cannot accept ${remote}: it has not finished the handshake`));
  });
  socket.once("secure", () => {
    timer.cancel();
    const secured = secure(socket, remote);
    if (secured) resolve(secured);
    else socket.destroy();
  });
  return promise;
}

/** Listens, on every address of this machine unless `host` says otherwise. Does not keep the process alive. */
export async function listenTcp(
  port: number,
  host: string | undefined,
  accept: (raw: Socket) => void,
): Promise<Server> {
  const server = createServer({ noDelay: true }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
  server.unref();
  // What fails now is one connection that could not be accepted, for want of descriptors say: its peer will come again.
  server.on("error", () => undefined);
  return server;
}

function prepare(socket: TLSSocket): void {
  socket.setNoDelay(true);
  // A path that is gone while this side has nothing to say: the kernel asks eleven times, a second apart.
  socket.setKeepAlive(true, 1_000);
  socket.unref();
}

function secure(socket: TLSSocket, remote: string): Secured | undefined {
  // A session taken up again would bring a certificate whose key nobody has proven to hold now.
  if (socket.isSessionReused() || socket.getProtocol() !== "TLSv1.3") return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  const exporter = socket.exportKeyingMaterial(32, exporterLabel, Buffer.alloc(0));
  return { socket, peer: fingerprintOf(certificate.raw), exporter, remote };
}

const timedOut = (address: string, what: string, ms: number): Error =>
  Object.assign(new Error(`Cannot connect to ${address}: it ${what} within ${ms} ms`), { code: "ETIMEDOUT" });

const strange = (address: string): Error =>
  Object.assign(
    new Error(
      `Cannot connect to ${address}: its certificate is not the one that was announced; somebody else answers there, or the parent has been started anew`,
    ),
    { code: "ERR_TLS_CERT_ALTNAME_INVALID" },
  );

/** The first so many bytes; what comes after them stays in the socket. Rejects when it closes before. */
export function readExactly(socket: TLSSocket, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const chunk = socket.read(bytes) as Buffer | null;
      // At the end of the stream `read` gives what there is, however little.
      if (chunk?.length === bytes) done(() => resolve(chunk));
      else if (chunk) socket.destroy();
    };
    const closed = (): void => done(() => reject(new Error("Cannot read a greeting: the other side has hung up")));
    const done = (settle: () => void): void => {
      socket.off("readable", look);
      socket.off("close", closed);
      socket.off("end", closed);
      settle();
    };
    socket.on("readable", look);
    socket.once("close", closed);
    socket.once("end", closed);
    if (socket.destroyed) closed();
    else look();
  });
}

/** What a resumable connection goes over, once both sides have greeted each other. */
export function tlsLink(socket: TLSSocket): Link {
  return {
    attach(handlers: ConnectionHandlers) {
      socket.on("data", (chunk: Buffer) => handlers.data(chunk));
      socket.on("drain", () => handlers.drain());
      if (socket.closed) process.nextTick(() => handlers.close());
      else socket.on("close", () => handlers.close());
      // A listener for "readable" has been there before, and stops the flow until it is told to go on.
      socket.resume();
    },
    write: (chunk) => (socket.writable ? socket.write(chunk) : true),
    writeBoth(head, body) {
      if (!socket.writable) return true;
      socket.cork();
      socket.write(head);
      const more = socket.write(body);
      socket.uncork();
      return more;
    },
    pause: (paused) => void (paused ? socket.pause() : socket.resume()),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    hold: (alive) => void (alive ? socket.ref() : socket.unref()),
  };
}
