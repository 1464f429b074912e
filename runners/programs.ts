/**
 * Handles of native programs and stores on a runner: closures may capture them without importing the package, and most capture none. So
 * what makes something of such a handle is loaded by the first one that comes.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { place } from "../src/context.ts";

/** Which module makes what. */
const makers: readonly (readonly [module: string, ...types: readonly string[]])[] = [
  ["../src/programs", "binary", "service"],
  ["../src/supervise", "supervisor", "dynamicSupervisor", "task"],
  ["./furnish", "binaries", "children"],
  ["../src/store", "store", "cell", "blob"],
];

/** Call once, before the first call. */
export function offerPrograms(): void {
  for (const [module, ...types] of makers) offer(module, types);
}

function offer(name: string, types: readonly string[]): void {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const module = fileURLToPath(new URL(`${name}.${extension}`, import.meta.url));
  for (const type of types) {
    // An application's own preload may have brought it.
    if (place.handles.has(type)) continue;
    const load = (data: unknown): unknown => {
      // Synchronous, as decoding is. It registers what it makes of handles in our place.
      createRequire(import.meta.url)(module);
      const make = place.handles.get(type);
      if (!make || make === load)
        throw new TypeError(`Cannot receive a handle of type "${type}": it is not known here`);
      return make(data);
    };
    place.handles.set(type, load);
  }
}
