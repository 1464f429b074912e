/** Two ends of a resumable connection in one process, over links whose every byte the test moves by hand. */
import { Resumable } from "../../src/transport/resumable.ts";
import type { Link } from "../../src/transport/resumable-links.ts";
import type { VigilOptions } from "../../src/transport/resumable-vigil.ts";
import type { ConnectionHandlers } from "../../src/ports/transport.ts";
import { End } from "../conformance/transport.ts";
import { FakeClock } from "../harness/fake-clock.ts";

class Half implements Link {
  handlers: ConnectionHandlers | undefined;
  /** What this side has written and nobody has moved yet. */
  sent: Buffer[] = [];
  ended = false;
  closed = false;
  paused = false;
  held = false;
  #behind = false;
  readonly #highWater: number;

  constructor(highWater: number) {
    this.#highWater = highWater;
  }

  get pending(): number {
    return this.sent.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  attach(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
  }
  write(chunk: Uint8Array): boolean {
    if (this.closed || this.ended) return true;
    this.sent.push(Buffer.from(chunk));
    this.#behind ||= this.pending >= this.#highWater;
    return !this.#behind;
  }
  writeBoth(head: Uint8Array, body: Uint8Array): boolean {
    this.write(head);
    return this.write(body);
  }
  pause(paused: boolean): void {
    this.paused = paused;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    if (this.closed) return;
    this.closed = true;
    this.handlers?.close();
  }
  hold(alive: boolean): void {
    this.held = alive;
  }
  /** Takes up to so many bytes off. */
  take(most: number): Buffer {
    const all = Buffer.concat(this.sent);
    const taken = all.subarray(0, most);
    this.sent = all.length > most ? [all.subarray(most)] : [];
    if (this.#behind && this.pending === 0) {
      this.#behind = false;
      this.handlers?.drain();
    }
    return taken;
  }
}

export type Side = "dialler" | "listener";
export const sides: readonly Side[] = ["dialler", "listener"];
export const otherSide = (side: Side): Side => (side === "dialler" ? "listener" : "dialler");

export class ResumableLab {
  readonly clock = new FakeClock();
  readonly connections: Readonly<Record<Side, Resumable>>;
  readonly ends: Readonly<Record<Side, End>>;
  readonly wanted: Record<Side, number> = { dialler: 0, listener: 0 };
  readonly unwanted: Record<Side, number> = { dialler: 0, listener: 0 };
  readonly over: Record<Side, number> = { dialler: 0, listener: 0 };
  /** What a link takes before it says that the other side is behind. */
  highWater = 256;
  halves: Record<Side, Half> | undefined;

  constructor(options: Partial<Omit<VigilOptions, "clock">> = {}, attach: readonly Side[] = sides) {
    const make = (side: Side, silence: VigilOptions["silence"]): Resumable =>
      new Resumable(
        { windowMs: 5_000, silence, ...options, clock: this.clock },
        {
          wanted: () => void this.wanted[side]++,
          unwanted: () => void this.unwanted[side]++,
          over: () => void this.over[side]++,
        },
      );
    this.connections = { dialler: make("dialler", "redial"), listener: make("listener", options.silence ?? "drop") };
    this.ends = { dialler: new End(this.connections.dialler), listener: new End(this.connections.listener) };
    for (const side of attach) this.ends[side].attach();
  }

  /** A new link in place of the one there is, as both sides' machinery would make it. */
  link(): void {
    const { dialler, listener } = this.connections;
    dialler.unlink();
    listener.unlink();
    const halves = { dialler: new Half(this.highWater), listener: new Half(this.highWater) };
    this.halves = halves;
    if (this.over.dialler > 0) return;
    if (this.over.listener > 0) return dialler.gone(listener.delivered);
    const position = dialler.received;
    const answer = listener.received;
    listener.link(halves.listener, position);
    dialler.link(halves.dialler, answer);
  }

  /** Breaks the link: what is under way is lost, both sides see it. */
  cut(): void {
    const halves = this.halves;
    this.halves = undefined;
    for (const side of sides) if (halves) halves[side].destroy();
  }

  /** Moves up to so many bytes of what `from` has written to the other side; how many it were. */
  move(from: Side, most = Infinity): number {
    const [source, target] = [this.halves?.[from], this.halves?.[otherSide(from)]];
    if (!source || !target) return 0;
    if (target.paused) return 0;
    const bytes = source.take(most);
    if (bytes.length > 0 && !target.closed) target.handlers?.data(Buffer.from(bytes));
    const flushed = source.ended && source.pending === 0;
    if (flushed || source.closed || target.closed) {
      source.destroy();
      target.destroy();
    }
    return bytes.length;
  }

  /** Until nothing moves any more. Acks that wait for company are sent. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      let moved = 0;
      for (const side of sides) moved += this.move(side);
      if (moved > 0) quiet = -1;
      else this.clock.advance(50);
    }
  }
}

/** Each byte tells where it belongs. */
export function pattern(start: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index++) bytes[index] = (start + index) * 31 + ((start + index) >> 8);
  return bytes;
}
