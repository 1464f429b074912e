/** Functions that a test runner moves above all imports: they run before anything is there that could stamp them. */
import type { FileAnalysis } from "./analysis.ts";

/** Up to the function that is an argument: `vi.mock("./a.ts", ` and `vi.hoisted(`. */
const call = /\bvi(?:test)?\s*\.\s*(?:mock|hoisted)\s*(?:<[^;()]*>\s*)?\((?:[^;{}]*,)?\s*$/;
const longest = 500;

/** Indexes of the factories of vitest's `vi.mock` and `vi.hoisted`, and of all that is written in them. */
export function mockFactories(code: string, { units }: FileAnalysis): ReadonlySet<number> {
  const found = new Set<number>();
  if (!/\bvi(?:test)?\s*\.\s*(?:mock|hoisted)\b/.test(code)) return found;
  for (const [index, { start, parent }] of units.entries()) {
    if (found.has(parent) || (parent < 0 && call.test(code.slice(Math.max(0, start - longest), start))))
      found.add(index);
  }
  return found;
}
