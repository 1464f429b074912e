/**
 * Native programs on a runner: closures may capture their handles without importing the package, and most closures capture none. So
 * what makes something of such a handle is loaded by the first one that comes.
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { place } from "../src/context.ts";

const types = ["binary", "service"];

/** Call once, before the first call. */
export function offerPrograms(): void {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const module = fileURLToPath(new URL(`../src/programs.${extension}`, import.meta.url));
  for (const type of types) {
    // An application's own preload may have brought it.
    if (place.handles.has(type)) continue;
    const load = (data: unknown): unknown => {
      // Synchronous, as decoding is. It registers what it makes of handles in our place.
      createRequire(import.meta.url)(module);
      const make = place.handles.get(type);
      if (!make || make === load) throw new TypeError(`Cannot receive a handle of type "${type}": it is not known here`);
      return make(data);
    };
    place.handles.set(type, load);
  }
}
