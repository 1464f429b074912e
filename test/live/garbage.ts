/** Garbage collection on demand, in any process. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** What is garbage is collected, and the finalizers of that have been called at the next turn. */
export async function collectGarbage(): Promise<void> {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
  await new Promise((resolve) => setImmediate(resolve));
}
