/**
 * The live references of one call, on one side: what this side lends, what it has borrowed, and what it has asked and
 * not yet heard. All of them end with the call at the latest.
 */
import { ProtocolError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { LiveKind, LiveValue, Payload, Reference } from "../value/port.ts";
import type { LiveMessage } from "../wire/live-messages.ts";
import { exportValue, importValue } from "./ends.ts";
import { asResult, mark as markAs } from "./kinds.ts";
import { Questions, type QuestionsHost } from "./questions.ts";
import type { Exported, Imported, Line, Mark, Told } from "./reference.ts";
import { weigh } from "./window.ts";
import { released, wrongUse } from "./failures.ts";
import { Words, type WordsHost } from "./words.ts";

/** What a scope needs of the side that it is on. */
export interface ScopeHost extends QuestionsHost, WordsHost {
  readonly clock: Clock;
  /** From now on streams of this side that are let go of are closed: nobody else has them. */
  readonly discards?: boolean;
  send(message: LiveMessage): void;
  /** Throws for what cannot be understood; `ProtocolError` when the peer is not to be trusted. */
  decode(payload: Payload, live: readonly unknown[]): unknown;
  /** Something that was asked of this side has failed. */
  failed?(error: unknown): void;
  /** Whoever reads `value`, a stream of this side, goes before its end. */
  left?(value: object): void;
  /** What was borrowed under that number is let go. */
  released?(reference: number): void;
  /** Nothing that was borrowed is needed any more. */
  idle?(): void;
  /** Somebody waits for an item of the stream `reference`, or nobody does any more. */
  waiting?(waits: boolean, reference: number): void;
}

type Of<T extends LiveMessage["type"]> = Extract<LiveMessage, { type: T }>;

interface Lent {
  readonly live: LiveValue;
  readonly end: Exported;
  /** How often the other side was told of it. */
  told: number;
}

interface Borrowed {
  readonly kind: string;
  readonly value: WeakRef<object>;
  readonly end: Imported;
  told: number;
}

const marks: readonly Mark[] = ["item", "end", "fail"];
const none: readonly Uint8Array[] = [];
/** What one call may have of the other side's at a time: a peer must not be able to pin memory without end. */
const mostBorrowed = 100_000;

/** When what stands for a value of the other side is garbage, the other side may let the value go. */
const dropped = new FinalizationRegistry<() => void>((release) => release());

export class Scope {
  readonly id: number;
  readonly #host: ScopeHost;
  readonly #lent = new Map<number, Lent>();
  readonly #numbers = new Map<object, number>();
  readonly #borrowed = new Map<number, Borrowed>();
  /** Which of our own values stands for which of theirs: it goes back as what it is there. */
  readonly #theirs = new WeakMap<object, number>();
  readonly #asked: Questions;
  readonly #words: Words;
  #nextReference = 1;
  #over: Error | undefined;
  #ending: AbortController | undefined;
  #begun = false;
  /** The reference that its result is, and whether its user has said that he is done with it. */
  #root: number | undefined;
  #rootGone = false;

  constructor(id: number, host: ScopeHost) {
    this.id = id;
    this.#host = host;
    this.#asked = new Questions(host, () => this.lookIdle());
    this.#words = new Words(host, (reference, back, mark, payload) => {
      if (!this.#over) this.#send({ type: "item", id, reference, back, mark, value: this.lend(payload) });
    });
  }

  get lent(): number {
    return this.#lent.size;
  }

  get borrowed(): number {
    return this.#borrowed.size;
  }

  get asked(): number {
    return this.#asked.size;
  }

  get over(): boolean {
    return this.#over !== undefined;
  }

  /** What is borrowed does nothing by itself: it waits to be called. */
  get resting(): boolean {
    return [...this.#borrowed.values()].every(({ kind }) => kind === "function" || kind === "signal");
  }

  /** A stream that was lent has been read from or written to: the call cannot be made a second time. */
  get begun(): boolean {
    for (const { end } of this.#lent.values()) if (end.begun) return true;
    return this.#begun;
  }

  /** The other side takes too long over a stream that it has lent. */
  fail(reference: number, error: Error): void {
    const borrowed = this.#borrowed.get(reference);
    borrowed?.end.end(error);
    this.#release(reference, borrowed);
  }

  /** `result` is what the call has given. When its user is done with that, nothing else of the call is needed. */
  open(result: unknown): void {
    if (typeof result === "function" || (typeof result === "object" && result !== null))
      this.#root = this.#theirs.get(result);
    this.lookIdle();
  }

  /** Makes a payload ready to leave: its live values get numbers that the other side may use. */
  lend(payload: Payload): Payload {
    const { live } = payload;
    if (!live || live.length === 0 || this.#over) return payload;
    return { ...payload, references: live.map((value) => this.#lend(value)) };
  }

  /** What the references of a payload that has come stand for. Throws `ProtocolError` for those that cannot be. */
  borrow(references: readonly Reference[] | undefined): readonly unknown[] {
    return references?.map(([kind, number, detail]) => this.#borrow(kind, number, detail)) ?? [];
  }

  /** The same, to be lent to somebody else: what is on this side is only on its way. */
  forward(references: readonly Reference[] = []): LiveValue[] {
    const values = this.borrow(references);
    return references.map(([kind, number], index) => {
      const own = kind === "own" ? this.#lent.get(number) : undefined;
      return (
        own?.live ?? { kind: kind as LiveKind, value: values[index] as object, run: (act) => act(), passedOn: true }
      );
    });
  }

  /** Asks something that concerns no reference; the answer is a ref-result with the number that `send` gets. */
  question(send: (number: number) => Promise<void> | undefined): Promise<unknown> {
    return this.#asked.ask("", undefined, send);
  }

  /** Aborts when nothing of the call is needed any more. */
  get ended(): AbortSignal {
    this.#ending ??= new AbortController();
    if (this.#over) this.#ending.abort(this.#over);
    return this.#ending.signal;
  }

  receive(message: LiveMessage): void {
    if (this.#over) return;
    switch (message.type) {
      case "ref-call":
        this.#answer(message);
        break;
      case "ref-result":
        this.#asked.hear(message.number, message.failed, () => this.#read(message.value));
        break;
      case "ref-release":
        this.#forget(message.reference, message.count);
        break;
      case "item":
        this.#item(message);
        break;
      case "credit":
        this.#credit(message);
        break;
    }
  }

  /**
   * Nothing of it is needed any more. `again`: the call will be made once more, with what was only passed on and has not
   * begun. Resolves when everything that was lent has cleaned up behind itself.
   */
  async end(error?: Error, again = false): Promise<void> {
    if (this.#over) return;
    const over = (this.#over = error ?? released());
    const [borrowed, lent] = [[...this.#borrowed.values()], [...this.#lent.values()]];
    this.#borrowed.clear();
    this.#lent.clear();
    this.#numbers.clear();
    this.#asked.end(over);
    this.#ending?.abort(over);
    for (const { end } of borrowed) end.end(over);
    // A failing clean-up of the user's is an event; the others run all the same.
    await Promise.all(
      lent
        .filter(({ live, end }) => !(again && live.passedOn && live.kind !== "signal" && !end.begun))
        .map(async ({ end }) => end.end(error))
        .map((done) => done.catch((cause) => this.#host.failed?.(cause))),
    );
  }

  #lend(live: LiveValue): Reference {
    const theirs = this.#theirs.get(live.value);
    if (theirs !== undefined && this.#borrowed.has(theirs)) return ["own", theirs, null];
    const known = this.#numbers.get(live.value);
    const number = known ?? this.#nextReference++;
    let lent = this.#lent.get(number);
    if (!lent) {
      lent = { live, end: exportValue(live, this.#line(number, true), this.#host), told: 0 };
      this.#lent.set(number, lent);
      this.#numbers.set(live.value, number);
    }
    lent.told++;
    return [live.kind === "placed" ? "object" : live.kind, number, lent.end.detail ?? null];
  }

  #borrow(kind: string, number: number, detail: unknown): object {
    if (kind === "own") {
      const lent = this.#lent.get(number);
      if (!lent) throw new ProtocolError(`Cannot receive reference ${number}: it was not given out`);
      return lent.live.value;
    }
    const known = this.#borrowed.get(number);
    const alive = known?.value.deref();
    if (known && alive) {
      known.told++;
      return alive;
    }
    const watch = { waiting: (waits: boolean): void => this.#host.waiting?.(waits, number) };
    if (this.#borrowed.size >= mostBorrowed)
      throw new ProtocolError(`Cannot receive a reference: ${mostBorrowed} of this call are held already`);
    const { value, end } = importValue(kind, detail, this.#line(number, false), watch, (bytes) => this.#reason(bytes));
    // It may be handed on, and its class travels no more than others that hold on to a process.
    if (kind === "iterable") markAs(value, "iterable");
    const borrowed: Borrowed = { kind, value: new WeakRef(value), end, told: (known?.told ?? 0) + 1 };
    this.#borrowed.set(number, borrowed);
    this.#theirs.set(value, number);
    dropped.register(value, () => this.#release(number, borrowed));
    return value;
  }

  #line(number: number, own: boolean): Line {
    return {
      item: (value, copy) => {
        if (this.#over) throw this.#over;
        return this.#words.item(number, own, value, copy);
      },
      end: (value) => {
        if (!this.#over) this.#words.last(number, own, value);
      },
      fail: (error) => {
        if (!this.#over) this.#words.failure(number, own, error);
      },
      encode: (value) => this.#words.plain(value),
      credit: (bytes) => this.#send({ type: "credit", id: this.id, reference: number, back: own, bytes }),
      call: (method, args, told) => this.#ask(number, method, args, told),
      release: () => this.#release(number, this.#borrowed.get(number)),
      over: () => {
        if (own || number !== this.#root) return;
        this.#rootGone = true;
        this.lookIdle();
      },
    };
  }

  #send(message: LiveMessage): void {
    if (!this.#over) this.#host.send(message);
  }

  /** What cannot be understood is a reason as well. */
  #reason(bytes: Uint8Array): unknown {
    try {
      return this.#host.decode({ bytes, buffers: none }, []);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      return error;
    }
  }

  #credit({ reference, back, bytes }: Of<"credit">): void {
    const end = back ? this.#borrowed.get(reference)?.end : this.#lent.get(reference)?.end;
    if (end && !end.credit) throw wrongUse("credit", reference);
    end?.credit?.(bytes);
  }

  #item({ reference, back, mark, value: payload }: Of<"item">): void {
    const end = back ? this.#borrowed.get(reference)?.end : this.#lent.get(reference)?.end;
    // It was let go while this was on its way.
    if (!end) return this.#decline(payload.references);
    const word = marks[mark];
    if (!end.item || word === undefined || (!back && word !== "item")) throw wrongUse("an item", reference);
    const bytes = weigh(payload);
    let value: unknown;
    try {
      value = this.#read(payload);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      return end.item("fail", error, bytes);
    }
    if (word === "fail") this.#host.heard?.(value);
    end.item(word, value, bytes);
  }

  /** What nobody will look at holds on to nothing. */
  #decline(references: readonly Reference[] | undefined): void {
    for (const [kind, reference] of references ?? []) {
      if (kind === "own") continue;
      const borrowed = this.#borrowed.get(reference);
      if (borrowed) borrowed.told++;
      else this.#send({ type: "ref-release", id: this.id, reference, count: 1 });
    }
  }

  #read(payload: Payload): unknown {
    return this.#host.decode(payload, this.borrow(payload.references));
  }

  #ask(reference: number, method: string, args: unknown, told?: Told): Promise<unknown> {
    return this.#asked.ask(method, told, (number) => {
      if (this.#over) throw this.#over;
      const payload = this.#host.encode(args, "arguments");
      const send = (): void =>
        this.#send({ type: "ref-call", id: this.id, number, reference, method, value: this.lend(payload) });
      if (payload.pending) return payload.pending.then(send);
      send();
      return undefined;
    });
  }

  #answer({ number, reference, method, value: payload }: Of<"ref-call">): void {
    const lent = this.#lent.get(reference);
    const end = lent?.end;
    if (end && (!end.call || end.methods?.includes(method) === false)) throw wrongUse("a call", reference);
    let args: unknown;
    try {
      args = this.#read(payload);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      return this.#refuse(number, error);
    }
    if (!Array.isArray(args)) throw wrongUse("a call without arguments", reference);
    if (!lent) return this.#refuse(number, released());
    // Begins now: what was asked before a call ends is done, whether or not somebody waits for it.
    void this.#run(number, async () => lent.end.call!(method, args as readonly unknown[]));
  }

  async #run(number: number, act: () => Promise<unknown>): Promise<void> {
    try {
      const value = this.#host.encode(asResult(await act()), "result");
      if (value.pending) await value.pending;
      this.#send({ type: "ref-result", id: this.id, number, failed: false, value: this.lend(value) });
    } catch (error) {
      this.#host.failed?.(error);
      this.#refuse(number, error);
    }
  }

  #refuse(number: number, error: unknown): void {
    if (this.#over) return;
    this.#send({ type: "ref-result", id: this.id, number, failed: true, value: this.#host.encodeFailure(error) });
  }

  #forget(reference: number, count: number): void {
    const lent = this.#lent.get(reference);
    if (reference >= this.#nextReference || (lent && count > lent.told))
      throw new ProtocolError(`Cannot let go of reference ${reference}: it was not given out so often`);
    if (!lent) return;
    lent.told -= count;
    // A placed object stays for as long as its call: streams that its methods gave may still be read.
    if (lent.told > 0 || lent.live.kind === "placed") return;
    this.#begun = this.begun;
    this.#lent.delete(reference);
    this.#numbers.delete(lent.live.value);
    void (async () => lent.end.end())().catch((error: unknown) => this.#host.failed?.(error));
  }

  #release(number: number, borrowed: Borrowed | undefined): void {
    if (!borrowed || this.#borrowed.get(number) !== borrowed) return;
    this.#borrowed.delete(number);
    this.#send({ type: "ref-release", id: this.id, reference: number, count: borrowed.told });
    borrowed.end.end(released());
    this.#host.released?.(number);
    this.lookIdle();
  }

  /** Tells when nothing is needed: whoever has asked something still needs it, also when nothing stands for it any more. */
  lookIdle(): void {
    if (this.#over || this.#asked.size > 0) return;
    if (!this.#rootGone) for (const { end } of this.#borrowed.values()) if (!end.passive) return;
    this.#host.idle?.();
  }
}
