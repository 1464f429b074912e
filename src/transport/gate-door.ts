/** Where the other side comes in: nobody is listened to before they have proven the ticket, and only so many may stand outside. */
import type { Server, Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { sameFingerprint } from "./certificate.ts";
import type { Identity } from "./gate-dialler.ts";
import type { Reply } from "./gate-streams.ts";
import { type Call, callBytes, encodeAnswer, readCall } from "./tls-greeting.ts";
import { type Secured, acceptTls, listenTcp, readExactly, tlsLink } from "./tls.ts";

export interface DoorOptions {
  readonly port: number;
  readonly host?: string | undefined;
  /** The only certificate that may come in, by its fingerprint. */
  readonly fingerprint?: string;
  /** How many may be outside at once. */
  strangers(): number;
  ticketOf(ticketId: string): Uint8Array | undefined;
  /** What a call gets whose proof holds; undefined closes it without a word. */
  admit(call: Call, secured: Secured): Reply | undefined;
}

/** From the end of the handshake to the whole call, and for the last words to one that gets no link. */
const callMs = 10_000;
const flushMs = 2_000;

export class Door {
  readonly #identity: Identity;
  readonly #options: DoorOptions;
  readonly #strangers = new Set<Socket>();
  #server: Server | undefined;

  constructor(identity: Identity, options: DoorOptions) {
    this.#identity = identity;
    this.#options = options;
  }

  /** Starts to listen; the port that it is. */
  async open(): Promise<number> {
    const { port, host } = this.#options;
    this.#server = await listenTcp(port, host, (raw) => void this.#accept(raw));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nobody comes in any more; who is in stays. Resolves when nobody is. */
  close(): Promise<void> {
    for (const raw of this.#strangers) raw.destroy();
    return new Promise((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }

  async #accept(raw: Socket): Promise<void> {
    raw.on("error", () => undefined);
    // The one that has stood outside longest makes room: who stays to keep others out has to come again and again.
    const [oldest] = this.#strangers;
    if (oldest && this.#strangers.size >= this.#options.strangers()) {
      this.#strangers.delete(oldest);
      oldest.destroy();
    }
    this.#strangers.add(raw);
    raw.once("close", () => this.#strangers.delete(raw));
    try {
      await this.#listen(raw);
    } catch {
      // Whatever it was, it is told nothing.
      raw.destroy();
    }
  }

  async #listen(raw: Socket): Promise<void> {
    const { clock, context, certificate, role } = this.#identity;
    const secured = await acceptTls(raw, context, clock);
    const { socket } = secured;
    const { fingerprint } = this.#options;
    if (fingerprint !== undefined && !sameFingerprint(secured.peer, fingerprint)) return void socket.destroy();
    const timer = clock.timer(callMs, () => socket.destroy());
    const bytes = await readExactly(socket, callBytes).finally(() => timer.cancel());
    const parties = { secured, own: certificate.fingerprint, role };
    let ticket: Uint8Array | undefined;
    const call = readCall(bytes, parties, (ticketId) => (ticket = this.#options.ticketOf(ticketId)));
    const reply = call && this.#options.admit(call, secured);
    if (!ticket || !reply) return void socket.destroy();
    this.#strangers.delete(raw);
    socket.write(encodeAnswer(reply.answer, bytes, ticket, parties));
    if (reply.link) return reply.link(tlsLink(socket));
    socket.end();
    const flush = clock.timer(flushMs, () => socket.destroy());
    socket.once("close", () => flush.cancel());
    socket.resume();
  }
}
