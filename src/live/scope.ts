/**
 * The live references of one call, on one side: what this side lends, what it has borrowed, and what it has asked and
 * not yet heard. All of them end with the call at the latest.
 */
import { ProtocolError, TinderboxError } from "../errors.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { LiveValue, Payload, Reference } from "../value/port.ts";
import type { LiveMessage } from "../wire/live-messages.ts";
import { exportValue, importValue } from "./ends.ts";
import type { Exported, Imported, Line, Mark } from "./reference.ts";

/** What a scope needs of the side that it is on. */
export interface ScopeHost {
  readonly clock: Clock;
  /** Streams that this side has lent and nobody has read are closed at the end. */
  readonly discards?: boolean;
  send(message: LiveMessage): void;
  /** Throws `CaptureError` for what cannot travel. */
  encode(value: unknown, root: string): Payload;
  encodeFailure(error: unknown): Payload;
  /** Throws for what cannot be understood; `ProtocolError` when the peer is not to be trusted. */
  decode(payload: Payload, live: readonly unknown[]): unknown;
  /** How long the other side may take for something that it was asked; never, while its call runs and has a clock itself. */
  limit?(): { readonly ms: number; error(): Error } | undefined;
  /** Something that was asked of this side has failed. */
  failed?(error: unknown): void;
  /** Nothing that was borrowed is needed any more. */
  idle?(): void;
  /** Somebody waits for an item of a stream, or nobody does any more. */
  waiting?(waits: boolean): void;
}

type Of<T extends LiveMessage["type"]> = Extract<LiveMessage, { type: T }>;

interface Lent {
  readonly live: LiveValue;
  readonly end: Exported;
  /** How often the other side was told of it. */
  told: number;
}

interface Borrowed {
  readonly value: WeakRef<object>;
  readonly end: Imported;
  told: number;
}

interface Asked {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: Timer | undefined;
}

const marks: readonly Mark[] = ["item", "end", "fail"];
/** What an item counts for besides its own bytes, so that empty ones are not without limit. */
const itemBytes = 64;

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
  readonly #asked = new Map<number, Asked>();
  #nextReference = 1;
  #nextCall = 1;
  #over: Error | undefined;

  constructor(id: number, host: ScopeHost) {
    this.id = id;
    this.#host = host;
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

  /** A stream that was lent has been read from or written to: the call cannot be made a second time. */
  get begun(): boolean {
    for (const { end } of this.#lent.values()) if ((end as { begun?: boolean }).begun) return true;
    return false;
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

  receive(message: LiveMessage): void {
    switch (message.type) {
      case "ref-call":
        this.#answer(message);
        break;
      case "ref-result":
        this.#hear(message);
        break;
      case "ref-release":
        this.#forget(message.reference, message.count);
        break;
      case "item":
        this.#item(message);
        break;
      case "credit":
        if (message.back) this.#borrowed.get(message.reference)?.end.credit?.(message.bytes);
        else {
          const lent = this.#lent.get(message.reference);
          if (lent && !lent.end.credit) throw wrongUse("credit", message.reference);
          lent?.end.credit?.(message.bytes);
        }
        break;
    }
  }

  /** Nothing of it is needed any more. Resolves when everything that was lent has cleaned up behind itself. */
  async end(error: Error = released()): Promise<void> {
    if (this.#over) return;
    this.#over = error;
    const [asked, borrowed, lent] = [[...this.#asked.values()], [...this.#borrowed.values()], [...this.#lent.values()]];
    this.#asked.clear();
    this.#borrowed.clear();
    this.#lent.clear();
    this.#numbers.clear();
    for (const { reject, timer } of asked) {
      timer?.cancel();
      reject(error);
    }
    for (const { end } of borrowed) end.end(error);
    // A failing clean-up of the user's is an event; the others run all the same.
    await Promise.all(
      lent.map(async ({ end }) => end.end()).map((done) => done.catch((cause) => this.#host.failed?.(cause))),
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
    const { value, end } = importValue(kind, detail, this.#line(number, false), {
      waiting: (waits) => this.#host.waiting?.(waits),
    });
    const borrowed: Borrowed = { value: new WeakRef(value), end, told: (known?.told ?? 0) + 1 };
    this.#borrowed.set(number, borrowed);
    this.#theirs.set(value, number);
    dropped.register(value, () => this.#release(number, borrowed));
    return value;
  }

  #line(number: number, own: boolean): Line {
    return {
      item: (value) => this.#sendItem(number, own, 0, value),
      end: (value) => void this.#sendItem(number, own, 1, value),
      fail: (error) => void this.#sendItem(number, own, 2, error),
      credit: (bytes) => this.#send({ type: "credit", id: this.id, reference: number, back: own, bytes }),
      call: (method, args) => this.#ask(number, method, args),
      release: () => this.#release(number, this.#borrowed.get(number)),
    };
  }

  #send(message: LiveMessage): void {
    if (!this.#over) this.#host.send(message);
  }

  #sendItem(reference: number, back: boolean, mark: number, value: unknown): number | Promise<number> {
    if (this.#over) throw this.#over;
    const payload = mark === 2 ? this.#host.encodeFailure(value) : this.#host.encode(value, "item");
    const bytes =
      itemBytes + payload.bytes.length + payload.buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    const send = (): number => {
      this.#send({ type: "item", id: this.id, reference, back, mark, value: this.lend(payload) });
      return bytes;
    };
    return payload.pending ? payload.pending.then(send) : send();
  }

  #item({ reference, back, mark, value: payload }: Of<"item">): void {
    const end = back ? this.#borrowed.get(reference)?.end : this.#lent.get(reference)?.end;
    // It was let go while this was on its way.
    if (!end) return;
    if (!end.item || marks[mark] === undefined) throw wrongUse("an item", reference);
    const bytes =
      itemBytes + payload.bytes.length + payload.buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    let value: unknown;
    try {
      value = this.#read(payload);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      end.item("fail", error, bytes);
      return;
    }
    end.item(marks[mark], value, bytes);
  }

  #read(payload: Payload): unknown {
    return this.#host.decode(payload, this.borrow(payload.references));
  }

  #ask(reference: number, method: string, args: readonly unknown[]): Promise<unknown> {
    const promise = new Promise<unknown>((resolve, reject) => {
      if (this.#over) throw this.#over;
      const payload = this.#host.encode(args, "arguments");
      const number = this.#nextCall++;
      const limit = this.#host.limit?.();
      const timer = limit && this.#host.clock.timer(limit.ms, () => this.#settle(number)?.reject(limit.error()));
      this.#asked.set(number, { resolve, reject, timer });
      const send = (): void =>
        this.#send({ type: "ref-call", id: this.id, number, reference, method, value: this.lend(payload) });
      if (payload.pending) payload.pending.then(send, (error: unknown) => this.#settle(number)?.reject(error));
      else send();
    });
    // A failure that nobody awaits has its event on the other side; it must not be the end of this process.
    promise.catch(() => {});
    return promise;
  }

  #settle(number: number): Asked | undefined {
    const asked = this.#asked.get(number);
    this.#asked.delete(number);
    asked?.timer?.cancel();
    return asked;
  }

  #hear({ number, failed, value: payload }: Of<"ref-result">): void {
    const asked = this.#settle(number);
    try {
      // Also for nobody: what it brings along must be known to be let go.
      const value = this.#read(payload);
      if (failed) asked?.reject(value);
      else asked?.resolve(value);
    } catch (error) {
      asked?.reject(error);
      if (error instanceof ProtocolError) throw error;
    }
  }

  #answer({ number, reference, method, value: payload }: Of<"ref-call">): void {
    const lent = this.#lent.get(reference);
    if (lent && !lent.end.call) throw wrongUse("a call", reference);
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
      const value = this.#host.encode(await act(), "result");
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
    if (!lent) return;
    lent.told -= count;
    if (lent.told > 0) return;
    this.#lent.delete(reference);
    this.#numbers.delete(lent.live.value);
    void (async () => lent.end.end())().catch((error: unknown) => this.#host.failed?.(error));
  }

  #release(number: number, borrowed: Borrowed | undefined): void {
    if (!borrowed || this.#borrowed.get(number) !== borrowed) return;
    this.#borrowed.delete(number);
    this.#send({ type: "ref-release", id: this.id, reference: number, count: borrowed.told });
    borrowed.end.end(released());
    if (this.#borrowed.size === 0) this.#host.idle?.();
  }
}

function wrongUse(what: string, reference: number): ProtocolError {
  return new ProtocolError(`Cannot take ${what} for reference ${reference}: it is of another kind`);
}

export function released(): TinderboxError {
  return new TinderboxError(
    "Cannot use a live reference: it was let go, or the call that it belongs to has ended; keep the call open for as long as it is needed",
    { code: "ERR_TINDERBOX_RELEASED" },
  );
}
