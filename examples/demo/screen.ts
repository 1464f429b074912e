/** The terminal: lines that stay, one live line below them, pictures made of characters. */
import { styleText } from "node:util";
import type { Colour } from "./colours.ts";
import { pixelAt } from "./colours.ts";
import type { Image } from "./png.ts";

const { stdout } = process;
/** Bits of colour: 1 where nobody looks at a terminal, 24 where pictures look like pictures. */
const depth = stdout.isTTY ? stdout.getColorDepth() : 1;

export const bold = (text: string): string => styleText("bold", text);
export const dim = (text: string): string => styleText("dim", text);
export const red = (text: string): string => styleText("red", text);
export const green = (text: string): string => styleText("green", text);

let live = "";

/** Prints lines for good, above the live one. */
export function print(...lines: string[]): void {
  clear();
  stdout.write(`${lines.join("\n")}\n`);
  if (live) stdout.write(live);
}

/** Replaces the live line; without a terminal there is none. */
export function status(text: string): void {
  if (!stdout.isTTY) return;
  clear();
  live = text && dim(text.slice(0, stdout.columns - 1));
  if (live) stdout.write(live);
}

/** Makes room for somebody else's line; the next `print` or `status` brings the live one back. */
export function clear(): void {
  if (live) stdout.write("\r\u001b[2K");
}

/** A bar of `width` characters, `part` of it full. */
export function bar(part: number, width: number): string {
  const full = Math.round(part * width);
  return "█".repeat(full) + "░".repeat(width - full);
}

/** A square in a colour, or its name where there are no colours. */
export function swatch(colour: Colour): string {
  return depth >= 8 ? `${paint(38, colour)}██\u001b[39m` : `#${Buffer.from(colour).toString("hex")}`;
}

/** A picture as lines of text: two pixels in a character where there are colours, else one, by its brightness. */
export function draw({ width, height, rgb }: Image): string[] {
  const lines: string[] = [];
  for (let y = 0; y + 1 < height; y += 2) {
    let line = "";
    for (let x = 0; x < width; x++) {
      const [upper, lower] = [pixelAt(rgb, y * width + x), pixelAt(rgb, (y + 1) * width + x)];
      line +=
        depth >= 8 ? `${paint(38, upper)}${paint(48, lower)}▀` : shade((brightness(upper) + brightness(lower)) / 2);
    }
    lines.push(depth >= 8 ? `${line}\u001b[39;49m` : line);
  }
  return lines;
}

/** Columns as wide as their widest cell; numbers stand on the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const numeric = widths.map((_, column) => rows.slice(1).every((row) => /^[\d.,]+( \w+| %)?$|^$/.test(row[column]!)));
  return rows.map((row, index) => {
    const cells = row.map((cell, column) =>
      numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    );
    return index === 0 ? dim(`  ${cells.join("   ")}`) : `  ${cells.join("   ")}`;
  });
}

export function time(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

const shades = " .:-=+*#%@";
const shade = (value: number): string => shades[Math.min(9, Math.floor((value / 256) * 10))]!;
const brightness = ([r, g, b]: Colour): number => 0.3 * r + 0.59 * g + 0.11 * b;

function paint(layer: 38 | 48, [r, g, b]: Colour): string {
  if (depth >= 24) return `\u001b[${layer};2;${r};${g};${b}m`;
  const [r6, g6, b6] = [r, g, b].map((value) => Math.round(value / 51));
  return `\u001b[${layer};5;${16 + 36 * r6! + 6 * g6! + b6!}m`;
}
