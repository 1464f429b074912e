import { refusals } from "./refuse.ts";
import { SYMBOL, SYMBOL_FOR, wellKnownSymbols } from "./tags.ts";
import type { Walk } from "./walk.ts";

/** Writes a symbol that is the same everywhere, and refuses any other. */
export function writeSymbol(walk: Walk, symbol: symbol, depth: number): void {
  const { writer } = walk;
  const wellKnown = wellKnownSymbols.indexOf(symbol);
  if (wellKnown >= 0) {
    writer.byte(SYMBOL);
    return writer.byte(wellKnown);
  }
  const key = Symbol.keyFor(symbol);
  if (key === undefined) walk.refuse(depth, refusals.uniqueSymbol);
  writer.byte(SYMBOL_FOR);
  writer.string(key);
}
