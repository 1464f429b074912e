/**
 * How far a map is, for people: one live line where stderr is a terminal, a plain line every few seconds where it is not.
 */
import { systemClock } from "../clock.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { printable } from "../print.ts";
import { LiveLines } from "./live-lines.ts";

/** Pauses between two looks: of a line that is drawn again, and of lines that stay. */
const drawMs = 100;
const plainMs = 5_000;

/** What is used of a stream. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class Progress {
  readonly #name: string;
  readonly #total: number | undefined;
  readonly #stream: Terminal;
  readonly #clock: Clock;
  #done = 0;
  #failed = 0;
  #begunAt = 0;
  #timer: Timer | undefined;
  #lines: LiveLines | undefined;

  constructor(name: string, total: number | undefined, stream: Terminal = process.stderr, clock: Clock = systemClock) {
    this.#name = printable(name || "map");
    this.#total = total;
    this.#stream = stream;
    this.#clock = clock;
  }

  start(): void {
    this.#begunAt = this.#clock.now();
    if (this.#stream.isTTY) {
      this.#lines = LiveLines.of(this.#stream);
      this.#lines.set(this, this.text());
    }
    this.#arm();
  }

  count(failed: boolean): void {
    this.#done++;
    if (failed) this.#failed++;
  }

  /** The last word stays. */
  end(): void {
    if (!this.#timer) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#lines?.delete(this);
    this.#stream.write(`${this.text(true)}\n`);
  }

  text(over = false): string {
    const seconds = (this.#clock.now() - this.#begunAt) / 1000;
    const rate = seconds > 0 ? this.#done / seconds : 0;
    const parts = [`${this.#name}: ${count(this.#done)}`];
    if (this.#total !== undefined) {
      const percent = this.#total === 0 ? 100 : Math.floor((100 * this.#done) / this.#total);
      parts[0] += ` of ${count(this.#total)} (${percent} %)`;
    }
    parts.push(`${count(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate))}/s`);
    if (over || this.#total === undefined) parts.push(span(seconds));
    else if (rate > 0) parts.push(`${span(Math.max(0, this.#total - this.#done) / rate)} left`);
    if (this.#failed > 0) parts.push(`${count(this.#failed)} failed`);
    return parts.join(", ");
  }

  #arm(): void {
    this.#timer = this.#clock.timer(this.#lines ? drawMs : plainMs, () => {
      this.#arm();
      if (this.#lines) this.#lines.set(this, this.text());
      else this.#stream.write(`${this.text()}\n`);
    });
  }
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function span(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
