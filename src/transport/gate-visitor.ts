/** One machine as the parent has it: its guard connection, what is said over that, and its data connections. */
import { ProtocolError } from "../errors.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Admission, Guest } from "../ports/gate.ts";
import type { Connection } from "../ports/transport.ts";
import {
  type MachineWord,
  type ParentWord,
  type Said,
  WordReader,
  claimBytes,
  encodeWord,
  machineWord,
  wordBytes,
} from "./gate-words.ts";
import type { Resumable } from "./resumable.ts";

export interface VisitorOptions {
  readonly clock: Clock;
  /** Decides by its claim; never rejects. */
  enrol(said: Said): Promise<Admission | undefined>;
  /** It is in: its window is the one of its grant from now on. */
  admitted(windowMs: number): void;
  /** Makes a data connection that it asks for, where the parent dials. */
  open?(stream: string): void;
  /** It is gone for its user; its data connections are to end, with this error. */
  over(error: Error): void;
}

/** From its proof to its whole claim. */
const claimMs = 10_000;
/** A ping that its machine has not even acknowledged after so long when the next one comes. */
const silentMs = 500;

export class Visitor {
  readonly #options: VisitorOptions;
  readonly #guard: Resumable;
  readonly #reader: WordReader;
  #state: "silent" | "asking" | "in" | "gone" = "silent";
  #admission: Admission | undefined;
  #failure: Error | undefined;
  #claim: Timer | undefined;
  #windowMs = 0;
  #heardAt = 0;
  #pingedAt = Infinity;

  constructor(guard: Resumable, options: VisitorOptions) {
    this.#guard = guard;
    this.#options = options;
    this.#reader = new WordReader(claimBytes, (word) => this.#take(machineWord(word)));
    guard.attach({
      data: (chunk) => this.#reader.push(chunk),
      drain: () => undefined,
      close: (error) => this.#ended(error),
    });
  }

  get in(): boolean {
    return this.#state === "in";
  }

  /** Its proof has been seen: it may speak, and has to. */
  greeted(): void {
    if (this.#state !== "silent" || this.#claim) return;
    this.#claim = this.#options.clock.timer(claimMs, () => this.#guard.abandon());
  }

  /** A data connection, made and linked. */
  accept(connection: Connection): void {
    if (this.#state === "in") this.#admission?.accept(connection);
    else connection.destroy();
  }

  /** Lets go of it; at the latest when the function that this gives is called. */
  leave(): () => void {
    if (this.#state !== "in") this.#guard.abandon();
    this.#say(["release"]);
    this.#guard.end();
    return () => this.#guard.abandon();
  }

  #say(word: ParentWord): void {
    if (this.#state === "in") this.#guard.write(encodeWord(word));
  }

  #take(word: MachineWord): void {
    if (this.#state === "gone") return;
    if (this.#state !== "in") {
      if (this.#state !== "silent" || word[0] !== "claim") {
        throw new ProtocolError(`Cannot take ${word[0]}: the machine has not been let in`);
      }
      this.#state = "asking";
      this.#claim?.cancel();
      void this.#ask(word[1]);
      return;
    }
    const admission = this.#admission!;
    switch (word[0]) {
      case "claim":
        throw new ProtocolError("Cannot take claim: the machine has been let in");
      case "beat":
        this.#heardAt = this.#options.clock.now();
        return admission.beat();
      case "output":
        return admission.output(word[1], word[2]);
      case "exited":
        return admission.exited(word[1]);
      case "notice":
        return admission.notice(word[1], word[2]);
      case "open":
        if (!this.#options.open) throw new ProtocolError("Cannot take open: it is the machine that dials");
        return this.#options.open(word[1]);
    }
  }

  async #ask(said: Said): Promise<void> {
    const admission = await this.#options.enrol(said);
    if ((this.#state as string) === "gone") return admission?.closed(this.#failure);
    if (!admission) return this.#guard.destroy();
    this.#state = "in";
    this.#admission = admission;
    this.#reader.limit = wordBytes;
    try {
      this.#say(["grant", admission.grant]);
      this.#windowMs = admission.grant.windowMs;
      this.#heardAt = this.#options.clock.now();
      this.#options.admitted(this.#windowMs);
      admission.attached(this.#guest(said.instance));
    } catch (error) {
      this.#guard.fail(error as Error);
    }
  }

  /** A machine that cannot be heard may live: for as long as its window lasts that is what is said of it, and the window decides. */
  #ping(): void {
    const now = this.#options.clock.now();
    const { linked, asked } = this.#guard;
    const silent = !linked || (asked && now - this.#pingedAt >= silentMs);
    this.#say(["ping"]);
    this.#pingedAt = now;
    if (this.#state === "in" && silent && now - this.#heardAt < this.#windowMs) this.#admission!.beat();
  }

  #guest(instance: string): Guest {
    return {
      instance,
      ping: () => this.#ping(),
      kill: () => this.#say(["kill"]),
      gone: () => this.#guard.fail(partedError()),
      release: () => this.#say(["release"]),
    };
  }

  #ended(error: Error | undefined): void {
    this.#state = "gone";
    this.#failure = error;
    this.#claim?.cancel();
    this.#options.over(partedError(error));
    this.#admission?.closed(error);
  }
}

/** Of data connections that are open when their machine leaves. What was read of the guard connection says nothing about theirs. */
export function partedError(cause?: Error): Error {
  const why = cause ? `: ${cause.message}` : "";
  const error = new Error(`Cannot go on with a connection: its machine has left${why}`, cause && { cause });
  return Object.assign(error, { code: "ECONNRESET" });
}
