/** What runners print, on the parent's own streams: one line each, marked with where it is from, unable to move the cursor. */

/** What is used of the event stream, which is a folder beside this file. */
interface Printing {
  on(name: "runner.log", print: (printed: Printed) => void): unknown;
  on(name: "program.log", print: (printed: Pick<Printed, "name" | "stream" | "line">) => void): unknown;
  on(name: "program.exited", print: (exit: Exit) => void): unknown;
}

interface Exit {
  readonly name: string;
  readonly status: number;
  readonly wanted: boolean;
  readonly oom: boolean;
}

interface Printed {
  readonly runner: string;
  /** 0 when the line belongs to none. */
  readonly call: number;
  readonly name: string;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
}

export function printRunnerOutput(events: Printing): void {
  events.on("runner.log", ({ runner, call, name, stream, line }) => {
    const where = call === 0 ? runner : `${runner} ${name || "call"}#${call}`;
    process[stream].write(`[${printable(where)}] ${printable(line)}\n`);
  });
}

/** What services print, and how they end when nobody has asked for it. */
export function printServices(events: Printing): void {
  events.on("program.log", ({ name, stream, line }) => {
    process[stream].write(`${printable(name)}: ${printable(line)}\n`);
  });
  events.on("program.exited", ({ name, status, wanted, oom }) => {
    if (wanted) return;
    process.stderr.write(`${printable(name)} exited with status ${status}${oom ? ", out of memory" : ""}\n`);
  });
}

/**
 * Control characters would let a runner rewrite the terminal or forge a line, and those that turn the direction of writing show what
 * is not there; colours are harmless and stay.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069](\[[\d;]*m)?/gu, (found: string, colour = "") => {
    if (found === "\t" || (found[0] === "\u001b" && colour)) return found;
    const code = found.charCodeAt(0);
    return `${code < 0x100 ? "\\x" : "\\u"}${code.toString(16).padStart(2, "0")}${colour}`;
  });
}
