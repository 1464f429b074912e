/** Lines as stack traces count them. */

const terminator = /\r\n|[\n\r\u2028\u2029]/g;

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly start: number;
  /** Without its terminator. */
  readonly end: number;
}

/** The line that holds `offset`; a terminator belongs to the line it ends. */
export function lineAt(code: string, offset: number): Line {
  let number = 1;
  let start = 0;
  for (const match of code.matchAll(terminator)) {
    const next = match.index + match[0].length;
    if (next > offset) return { number, start, end: match.index };
    number++;
    start = next;
  }
  return { number, start, end: code.length };
}

export function countLines(text: string): number {
  return text.match(terminator)?.length ?? 0;
}
