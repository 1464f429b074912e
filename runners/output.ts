/** What code prints on a runner: cut into lines, each with the call that printed it. */
import { Lines } from "../src/lines.ts";

export type Stream = "stdout" | "stderr";
export type Print = (call: number, stream: Stream, line: string) => void;

export interface Captured {
  /** What a call, or all, left unfinished. */
  flush(call?: number): void;
  /** What was printed has left: who waits for that goes on. */
  drained(): void;
}

/** Replaces the `write` of both standard streams, which says false while `blocked` does, as that of any slow stream. */
export function captureOutput(currentCall: () => number, print: Print, blocked: () => boolean): Captured {
  const open = new Map<string, { readonly call: number; readonly lines: Lines }>();
  for (const stream of ["stdout", "stderr"] as const) {
    const write = (chunk: Uint8Array | string, encoding?: unknown, done?: unknown): boolean => {
      const call = currentCall();
      const key = `${call} ${stream}`;
      let entry = open.get(key);
      if (!entry) open.set(key, (entry = { call, lines: new Lines((line) => print(call, stream, line)) }));
      entry.lines.push(
        typeof chunk === "string" && typeof encoding === "string"
          ? Buffer.from(chunk, encoding as BufferEncoding)
          : chunk,
      );
      if (entry.lines.empty) open.delete(key);
      const callback = typeof encoding === "function" ? encoding : done;
      if (typeof callback === "function") process.nextTick(callback as () => void);
      return !blocked();
    };
    process[stream].write = write as typeof process.stdout.write;
    Object.defineProperty(process[stream], "writableNeedDrain", { get: blocked, configurable: true });
  }
  return {
    flush(call) {
      for (const [key, entry] of open) {
        if (call !== undefined && entry.call !== call) continue;
        entry.lines.flush();
        open.delete(key);
      }
    },
    drained() {
      for (const stream of ["stdout", "stderr"] as const) process[stream].emit("drain");
    },
  };
}
