/** Makes the links of one connection by dialling, for as long as that wants any. */
import type { SecureContext } from "node:tls";
import { backoffMs } from "../backoff.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Certificate } from "./certificate.ts";
import { Resumable } from "./resumable.ts";
import type { Links } from "./resumable-links.ts";
import type { VigilOptions } from "./resumable-vigil.ts";
import { type Kind, type Role, answerBytes, encodeCall, readAnswer, ticketIdOf } from "./tls-greeting.ts";
import { type Dialling, type Secured, dialTls, readExactly, tlsLink } from "./tls.ts";

/** Who this side is, on all of its links. */
export interface Identity {
  readonly role: Role;
  readonly certificate: Certificate;
  readonly context: SecureContext;
  readonly clock: Clock;
}

export interface DiallerOptions {
  /** Tried in turn. */
  readonly addresses: readonly string[];
  readonly kind: Kind;
  readonly ticket: Uint8Array;
  /** 16 random bytes as hexadecimal digits. */
  readonly stream: string;
  /** The only certificate that will do, by its fingerprint; empty for one that is told by `linked`. */
  fingerprint(): string;
  /** A link has been made. */
  linked?(secured: Secured): void;
  over?(): void;
}

/** Quick at first: most links break for a moment, or not at all. */
const pauses = { initialMs: 50, maxMs: 1_000, factor: 2, jitter: true };
const answerMs = 10_000;

export class Dialler implements Links {
  readonly connection: Resumable;
  readonly #identity: Identity;
  readonly #options: DiallerOptions;
  #epoch = 0;
  /** Whether the other side has ever answered: it then has this connection, or had it. */
  #greeted = false;
  #failures = 0;
  #turn = 0;
  #busy = false;
  #dialling: Dialling | undefined;
  #pause: Timer | undefined;
  #stopped = false;
  #failure: Error | undefined;

  constructor(identity: Identity, options: DiallerOptions, vigil: Omit<VigilOptions, "clock" | "silence">) {
    this.#identity = identity;
    this.#options = options;
    this.connection = new Resumable({ ...vigil, clock: identity.clock, silence: "redial" }, this);
  }

  /** Why the last try has failed. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  wanted(): void {
    if (this.#stopped || this.#busy || this.#pause) return;
    void this.#dial();
  }

  unwanted(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#dialling?.cancel();
  }

  over(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.unwanted();
    this.#options.over?.();
  }

  async #dial(): Promise<void> {
    this.#busy = true;
    try {
      const linked = await this.#greet(await this.#reach());
      if (linked) this.#failures = 0;
    } catch (error) {
      this.#failure = error as Error;
      this.#turn++;
      this.#failures++;
    }
    this.#busy = false;
    this.connection.present = false;
    if (this.#stopped || this.connection.linked) return;
    this.#pause = this.#identity.clock.timer(backoffMs(Math.max(1, this.#failures), pauses), () => {
      this.#pause = undefined;
      this.wanted();
    });
  }

  async #reach(): Promise<Secured> {
    const { addresses } = this.#options;
    const fingerprint = this.#options.fingerprint();
    this.#dialling = dialTls(addresses[this.#turn % addresses.length]!, {
      context: this.#identity.context,
      clock: this.#identity.clock,
      ...(fingerprint === "" ? {} : { fingerprint }),
      connected: () => (this.connection.present = true),
    });
    try {
      return await this.#dialling.secured;
    } finally {
      this.#dialling = undefined;
    }
  }

  async #greet(secured: Secured): Promise<boolean> {
    const { socket } = secured;
    if (this.#stopped) {
      socket.destroy();
      return false;
    }
    const { kind, ticket, stream } = this.#options;
    const parties = { secured, own: this.#identity.certificate.fingerprint, role: this.#identity.role };
    // From here on the old link brings nothing any more: what is told now has to stay true.
    this.connection.unlink();
    const position = this.connection.received;
    const ticketId = ticketIdOf(ticket);
    const epoch = ++this.#epoch;
    const call = encodeCall({ kind, fresh: !this.#greeted, ticketId, stream, epoch, position }, ticket, parties);
    const timer = this.#identity.clock.timer(answerMs, () => socket.destroy());
    try {
      socket.write(call);
      const answer = readAnswer(await readExactly(socket, answerBytes), call, ticket, parties);
      if (!answer) throw new Error("Cannot greet the other side: it has not proven that it knows the ticket");
      this.#greeted = true;
      if (answer.state === "gone") {
        socket.destroy();
        this.connection.gone(answer.position);
        return false;
      }
      this.#options.linked?.(secured);
      this.connection.link(tlsLink(socket), answer.position);
      return true;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
  }
}
