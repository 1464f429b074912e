/** Where runners come in: one listener, and a table of the tokens that were given out. A token works once. */
import { createHash } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Connection, Listener } from "../ports/transport.ts";
import { Session, type SessionHandlers } from "./session.ts";

const helloMs = 10_000;
const maxStrangers = 64;

type Arrival = (session: Session) => SessionHandlers;

export class Dock {
  readonly #listen: (accept: (connection: Connection) => void) => Promise<Listener>;
  readonly #clock: Clock;
  /** By digest: what a look-up in a table gives away of a key by its timing is of no use then. */
  readonly #expected = new Map<string, Arrival>();
  #listener: Promise<Listener> | undefined;
  #strangers = 0;

  constructor(listen: (accept: (connection: Connection) => void) => Promise<Listener>, clock: Clock) {
    this.#listen = listen;
    this.#clock = clock;
  }

  async address(): Promise<string> {
    return (await (this.#listener ??= this.#listen((connection) => this.#accept(connection)))).address;
  }

  /** `arrive` gives the handlers of the session that shows `token`. Returns how to stop expecting it. */
  expect(token: Buffer, arrive: Arrival): () => void {
    const key = digest(token);
    this.#expected.set(key, arrive);
    return () => void this.#expected.delete(key);
  }

  async close(): Promise<void> {
    this.#expected.clear();
    const listener = this.#listener;
    this.#listener = undefined;
    (await listener)?.close();
  }

  #accept(connection: Connection): void {
    if (this.#strangers >= maxStrangers) {
      connection.destroy();
      return;
    }
    this.#strangers++;
    let stranger = true;
    const known = (): void => {
      if (stranger) this.#strangers--;
      stranger = false;
      timer.cancel();
    };
    const timer = this.#clock.timer(helloMs, () => {
      known();
      session.destroy();
    });
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
    session.hold(false);
  }
}

function digest(token: Buffer): string {
  return createHash("sha256").update(token).digest("base64");
}
