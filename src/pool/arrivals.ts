/** Whom a runner is expected to be: tokens that were given out for it, and the conversations that they became. */
import { randomBytes } from "node:crypto";
import type { Dock } from "../wire/dock.ts";
import type { Message } from "../wire/messages.ts";
import type { Session } from "../wire/session.ts";

export interface ArrivalHandlers {
  /** Before the first message. */
  arrived(session: Session): void;
  hear(message: Message): void;
  closed(error?: Error): void;
}

export class Arrivals {
  readonly #dock: Dock;
  /** How to forget the tokens that nobody has shown yet. */
  readonly #expected = new Set<() => void>();
  readonly #sessions = new Set<Session>();

  constructor(dock: Dock) {
    this.#dock = dock;
  }

  /** Conversations that are not over. */
  get open(): number {
    return this.#sessions.size;
  }

  /** A new token; whoever shows it has this conversation. */
  expect({ arrived, hear, closed }: ArrivalHandlers): Buffer {
    const token = randomBytes(32);
    const forget = this.#dock.expect(token, (session) => {
      this.#expected.delete(forget);
      this.#sessions.add(session);
      arrived(session);
      return {
        message: hear,
        closed: (error) => {
          this.#sessions.delete(session);
          closed(error);
        },
      };
    });
    this.#expected.add(forget);
    return token;
  }

  /** Nobody else will be let in. */
  forget(): void {
    for (const forget of this.#expected) forget();
    this.#expected.clear();
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
