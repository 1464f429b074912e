/** How far `tinderbox pack` is: a bar where stderr is a terminal, a line for each layer where it is not. */
import { systemClock } from "../clock.ts";
import type { LayerName } from "../deploy/release/manifest.ts";
import type { PackedLayer, PackProgress } from "../deploy/release/pack.ts";
import type { Clock } from "../ports/clock.ts";
import { printable } from "../print.ts";

/** What is used of a stream. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Drawn no more often than this. */
const drawMs = 100;
const barWidth = 24;

interface Part {
  readonly unpackedBytes: number;
  /** Shares of the two steps, from 0 to 1. */
  pack: number;
  upload: number;
  doing: string;
  done: boolean;
}

export class PackLine {
  readonly #stream: Terminal;
  readonly #clock: Clock;
  readonly #parts = new Map<LayerName, Part>();
  #drawnAt = -Infinity;
  #drawn = false;

  constructor(stream: Terminal = process.stderr, clock: Clock = systemClock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  readonly show = (progress: PackProgress): void => {
    if (progress.step === "planned") {
      for (const { name, unpackedBytes } of progress.layers)
        this.#parts.set(name, { unpackedBytes, pack: 0, upload: 0, doing: "", done: false });
      return this.#draw();
    }
    const part = this.#parts.get(progress.layer);
    if (!part) return;
    if (progress.step === "done") {
      part.done = true;
      this.line(`${progress.layer}: ${outcomeOf(progress.result)}`);
    } else {
      part[progress.step] = progress.total === 0 ? 1 : progress.done / progress.total;
      part.doing = `${progress.step === "pack" ? "packing" : "uploading"} ${progress.layer}, ${sizeOf(progress.done)} of ${sizeOf(progress.total)}`;
      if (this.#clock.now() - this.#drawnAt >= drawMs) this.#draw();
    }
  };

  /** A line that stays, above the bar. */
  line(text: string): void {
    this.clear();
    this.#stream.write(`${printable(text)}\n`);
    if (this.#parts.size > 0 && [...this.#parts.values()].some(({ done }) => !done)) this.#draw();
  }

  clear(): void {
    if (this.#drawn) this.#stream.write("\r\u001b[K");
    this.#drawn = false;
  }

  #draw(): void {
    if (!this.#stream.isTTY) return;
    this.#drawnAt = this.#clock.now();
    const parts = [...this.#parts.values()];
    const all = parts.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0) || 1;
    const share = parts.reduce(
      (sum, { done, pack, upload, unpackedBytes }) => sum + (done ? 1 : (pack + upload) / 2) * (unpackedBytes / all),
      0,
    );
    const full = Math.floor(share * barWidth);
    const doing = parts.findLast((part) => !part.done && part.doing !== "")?.doing ?? "planning";
    const bar = `[${"#".repeat(full)}${".".repeat(barWidth - full)}] ${Math.floor(share * 100)} %  ${doing}`;
    // A terminal that does not know its width says 0.
    this.#stream.write(`\r\u001b[K${bar.slice(0, (this.#stream.columns || 80) - 1)}`);
    this.#drawn = true;
  }
}

function outcomeOf({ outcome, cached, bytes }: PackedLayer): string {
  if (outcome === "uploaded") return `uploaded ${sizeOf(bytes)}`;
  const there = outcome === "there" ? "already in the store" : "not in a store";
  return `${cached ? "unchanged" : `packed ${sizeOf(bytes)}`}, ${there}`;
}

/** Bytes for people. */
export function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1]}`;
}
