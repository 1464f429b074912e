/** Code for runners that is written by hand: what the suite runs must not depend on how closures are captured. */
import type { Captured } from "../../closure/capture.ts";
import { takeNumber } from "../../closure/numbers.ts";
import { type Unit, type UnitModule, sourceFile } from "../../closure/units.ts";
import { hashOf } from "../../hash.ts";
import { encode } from "../../value/encode.ts";
import type { Description } from "../../value/port.ts";

const url = import.meta.url;

/** JavaScript of one function, as what a closure is when it leaves: `"(context) => 1"`. It may import built-in modules. */
export function codeOf(text: string): Captured {
  const number = takeNumber();
  const source = `export const imports = () => ({}); export default () => { const value = ${text}; return { value, fill() {} }; };\n`;
  const module: UnitModule = {
    url,
    hash: hashOf(source),
    format: "module",
    source,
    path: "",
    single: false,
    early: [],
    late: [],
    links: [],
    siblings: [],
    binding: false,
  };
  const root: Unit = {
    number,
    file: sourceFile(url, source, { typescript: false, format: "module", units: [], imports: [] }),
    info: undefined,
    early: [],
    late: [],
    names: [],
    links: [],
    needs: [number],
    single: false,
    pure: true,
  };
  const described: Description = { kind: "code", unit: number, early: [], late: [], name: "", names: [] };
  const payload = encode(() => undefined, { describe: () => described });
  return { payload, units: [number], root, modules: new Map([[number, module]]) };
}

/** What a machine runs whose parent ends is over by itself after this time, in milliseconds; one that drains gets to its end. */
export const finishesMs = 4_000;
