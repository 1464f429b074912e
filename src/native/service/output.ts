/** What a service prints, by lines: to those who wait for one, to the log, and the last of them for its errors. */
import type { Readable } from "node:stream";
import { Lines } from "../../lines.ts";
import type { Stream } from "./options.ts";

/** Lines of stderr that errors show. */
const kept = 20;

export interface Output {
  /** Its last lines on stderr. */
  readonly tail: readonly string[];
  /** Calls `see` for each line from now on, until it returns true. */
  watch(see: (line: string) => boolean): void;
  /** Resolves when both streams have come to their end and all is printed. */
  readonly ended: Promise<unknown>;
}

/** `print` returns false when its reader is behind; then `resume` is awaited before more is read. */
export interface Printer {
  print(line: string, stream: Stream): boolean;
  resume(): Promise<void>;
}

export function follow(streams: Readonly<Record<Stream, Readable>>, printer: Printer): Output {
  const tail: string[] = [];
  const watchers = new Set<(line: string) => boolean>();
  const attach = (name: Stream): Promise<void> => {
    const stream = streams[name];
    let behind = false;
    const lines = new Lines((line) => {
      if (name === "stderr" && tail.push(line) > kept) tail.shift();
      for (const see of [...watchers]) if (see(line)) watchers.delete(see);
      behind = !printer.print(line, name) || behind;
    });
    return new Promise((resolve) => {
      stream.on("data", (chunk: Buffer) => {
        lines.push(chunk);
        if (!behind) return;
        behind = false;
        // The program waits as it would for any reader that is slow.
        stream.pause();
        void printer.resume().then(() => stream.resume());
      });
      stream.on("error", () => {});
      stream.once("close", () => {
        lines.flush();
        resolve();
      });
    });
  };
  const ended = Promise.all([attach("stdout"), attach("stderr")]);
  return { tail, ended, watch: (see) => void watchers.add(see) };
}
