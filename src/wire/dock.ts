/** Where runners come in: one listener, and a table of the tokens that were given out. A token works once. */
import { createHash } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Connection, Listener } from "../ports/transport.ts";
import { Session, type SessionHandlers } from "./session.ts";

const helloMs = 10_000;
/** Connections that have not shown a token, beyond one for each token that was given out. */
const maxStrangers = 64;

type Arrival = (session: Session) => SessionHandlers;

export class Dock {
  readonly #listen: (accept: (connection: Connection) => void) => Promise<Listener>;
  readonly #clock: Clock;
  /** By digest: what a look-up in a table gives away of a key by its timing is of no use then. */
  readonly #expected = new Map<string, Arrival>();
  readonly #strangers = new Set<Session>();
  #listener: Promise<Listener> | undefined;
  #closed = false;

  constructor(listen: (accept: (connection: Connection) => void) => Promise<Listener>, clock: Clock) {
    this.#listen = listen;
    this.#clock = clock;
  }

  /** Listens from the first time on. When that fails the next time tries again. */
  async address(): Promise<string> {
    if (this.#closed) throw new Error("Cannot listen for runners: the dock is closed");
    const listener = (this.#listener ??= this.#listen((connection) => this.#accept(connection)));
    try {
      return (await listener).address;
    } catch (error) {
      if (this.#listener === listener) this.#listener = undefined;
      throw error;
    }
  }

  /** `arrive` gives the handlers of the session that shows `token`. Returns how to stop expecting it. */
  expect(token: Buffer, arrive: Arrival): () => void {
    const key = digest(token);
    this.#expected.set(key, arrive);
    return () => void this.#expected.delete(key);
  }

  /** Those who have come in stay. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#expected.clear();
    for (const session of this.#strangers) session.destroy();
    const listener = this.#listener;
    this.#listener = undefined;
    (await listener?.catch(() => undefined))?.close();
  }

  #accept(connection: Connection): void {
    // All runners of a large pool may come within one turn of the event loop, before any of them could be read.
    if (this.#closed || this.#strangers.size >= maxStrangers + this.#expected.size) {
      connection.destroy();
      return;
    }
    const timer = this.#clock.timer(helloMs, () => session.destroy());
    const known = (): void => {
      this.#strangers.delete(session);
      timer.cancel();
    };
    const session: Session = new Session(
      connection,
      (token) => {
        const key = digest(token);
        const arrive = this.#expected.get(key);
        this.#expected.delete(key);
        if (!arrive) return undefined;
        known();
        return arrive(session);
      },
      undefined,
      known,
    );
    this.#strangers.add(session);
    session.hold(false);
  }
}

function digest(token: Buffer): string {
  return createHash("sha256").update(token).digest("base64");
}
