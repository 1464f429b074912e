/** The connections of one machine that the other side dials: those there are, and for a while those there were. */
import { Resumable } from "./resumable.ts";
import type { Link } from "./resumable-links.ts";
import type { VigilOptions } from "./resumable-vigil.ts";
import type { Answer, Call } from "./tls-greeting.ts";

interface Entry {
  readonly connection: Resumable;
  epoch: number;
}

/** What is said to a call, and what is done with its link. */
export interface Reply {
  readonly answer: Answer;
  readonly link?: (link: Link) => void;
}

/** How many that have ended are remembered, for a peer that has not heard of it. */
const remembered = 1_024;

export class Streams {
  #vigil: VigilOptions;
  readonly #entries = new Map<string, Entry>();
  /** What each had read; unknown of those that have failed: who asks is to get an error too. */
  readonly #ended = new Map<string, number | undefined>();

  constructor(vigil: VigilOptions) {
    this.#vigil = vigil;
  }

  get windowMs(): number {
    return this.#vigil.windowMs;
  }

  /** Of those that are made from now on. */
  set windowMs(windowMs: number) {
    this.#vigil = { ...this.#vigil, windowMs };
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Makes one, without a link. `over` is called when nothing more comes of it. */
  add(stream: string, over?: () => void): Resumable {
    const connection: Resumable = new Resumable(this.#vigil, {
      wanted: () => undefined,
      unwanted: () => undefined,
      over: () => {
        this.#entries.delete(stream);
        this.#remember(stream, connection.failed ? undefined : connection.delivered);
        over?.();
      },
    });
    this.#entries.set(stream, { connection, epoch: 0 });
    return connection;
  }

  /** What a call for one of them gets; undefined when its link has been overtaken by a later one. */
  answer(call: Call): Reply | undefined {
    const entry = this.#entries.get(call.stream);
    if (!entry) return { answer: { state: "gone", position: this.#ended.get(call.stream) } };
    if (call.epoch <= entry.epoch) return undefined;
    entry.epoch = call.epoch;
    const { connection } = entry;
    // What the old link still brings would come a second time over the new one.
    connection.unlink();
    return {
      answer: { state: "here", position: connection.received },
      link: (link) => connection.link(link, call.position),
    };
  }

  /** Whether it is there, or was. */
  has(stream: string): boolean {
    return this.#entries.has(stream) || this.#ended.has(stream);
  }

  probe(): void {
    for (const { connection } of this.#entries.values()) connection.probe();
  }

  fail(error: Error): void {
    for (const { connection } of this.#entries.values()) connection.fail(error);
  }

  #remember(stream: string, position: number | undefined): void {
    this.#ended.set(stream, position);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > remembered && oldest !== undefined) this.#ended.delete(oldest);
  }
}
