/** The lines of a source file around one place, with a caret under it. */

import { lineAt, type Line } from "./lines.ts";

/** What is shown of a line at most, so that a minified file does not fill the terminal. */
const width = 160;
/** How much of a long line stands before the place. */
const lead = 60;

/** Line and column as stack traces give them, both from 1. */
export function position(code: string, offset: number): { line: number; column: number } {
  const { number, start } = lineAt(code, clamp(code, offset));
  return { line: number, column: clamp(code, offset) - start + 1 };
}

export function codeFrame(code: string, offset: number, length: number, note = ""): string {
  const at = clamp(code, offset);
  const culprit = lineAt(code, at);
  const before: Line[] = [];
  for (let line = culprit; line.start > 0 && before.length < 2; before.unshift(line))
    line = lineAt(code, line.start - 1);
  const following = lineAfter(code, culprit);
  const after = following.start > culprit.end && following.start < code.length ? [following] : [];

  const column = at - culprit.start;
  const text = code.slice(culprit.start, culprit.end);
  const from = text.length > width && column > lead ? column - lead : 0;
  const digits = String((after[0] ?? culprit).number).length;
  const gutter = (mark: string, number: number | string): string => ` ${mark} ${String(number).padStart(digits)} |`;
  const show = (line: Line, mark: string, cut: number): string => {
    const shown = code.slice(line.start, line.end).slice(cut, cut + width);
    return `${gutter(mark, line.number)}${shown ? ` ${shown}` : ""}`;
  };
  // Tabs stay tabs and a character of two code units gets one blank, so that the caret stands below its place.
  const blanks = [...text.slice(from, column)].map((character) => (character === "\t" ? "\t" : " ")).join("");
  const marked = text.slice(column, column + Math.max(1, length));
  const carets = "^".repeat(Math.max(1, Math.min([...marked].length, width - (column - from))));
  return [
    ...before.map((line) => show(line, " ", 0)),
    show(culprit, ">", from),
    `${gutter(" ", "")} ${blanks}${carets}${note ? ` ${note}` : ""}`,
    ...after.map((line) => show(line, " ", 0)),
  ].join("\n");
}

function lineAfter(code: string, line: Line): Line {
  const terminator = code.startsWith("\r\n", line.end) ? 2 : 1;
  return lineAt(code, Math.min(line.end + terminator, code.length));
}

function clamp(code: string, offset: number): number {
  return Math.max(0, Math.min(offset, code.length));
}
