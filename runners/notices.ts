/** What the machine's cloud has announced, as the boot program writes it down: it asks the metadata service, which no code of users may. */
import { readFileSync } from "node:fs";
import { systemClock } from "../src/clock.ts";
import type { Timer } from "../src/ports/clock.ts";

const everyMs = 1_000;

/** Calls `tell` once for each kind; lines are `<kind> <seconds since 1970>`. */
export function watchNotices(file: string | null, tell: (kind: string, at: number) => void): { stop(): void } {
  const told = new Set<string>();
  let timer: Timer | undefined;
  const look = (): void => {
    timer = systemClock.timer(everyMs, look);
    for (const line of linesOf(file!)) {
      const [kind = "", seconds] = line.split(" ");
      if (told.has(kind) || !(Number(seconds) > 0)) continue;
      told.add(kind);
      tell(kind, Number(seconds) * 1000);
    }
  };
  if (file !== null) look();
  return { stop: () => timer?.cancel() };
}

function linesOf(file: string): readonly string[] {
  try {
    // What follows the last line's end is still being written.
    return readFileSync(file, "utf8").split("\n").slice(0, -1);
  } catch {
    // There has been nothing to write down.
    return [];
  }
}
