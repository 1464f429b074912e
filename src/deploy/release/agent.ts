/** What a machine runs first: the machine process of this package, as it is in the release. */
import { join } from "node:path";
import { ReleaseError } from "../../errors.ts";
import { isPlainPath } from "./manifest.ts";
import type { Plan } from "./plan.ts";

const own = "tinderbox";
const built = "dist/runners/machine.js";
/** Node runs it unbuilt, but not from below `node_modules`. */
const source = "runners/machine.ts";

/** @throws ReleaseError when it is not in the release. */
export function agentOf({ root, places, paths }: Pick<Plan, "root" | "places" | "paths">, given?: string): string {
  if (given !== undefined) {
    if (isPlainPath(given) && paths.has(given)) return given;
    throw new ReleaseError(
      `Cannot pack ${root}: ${JSON.stringify(given)} is to be run first, and is not in the release; give a path relative to the root`,
    );
  }
  const found = places(own);
  for (const place of found) {
    const candidates = [
      join(place, built),
      ...(place.split("/").includes("node_modules") ? [] : [join(place, source)]),
    ];
    const agent = candidates.find((path) => paths.has(path));
    if (agent !== undefined) return agent;
  }
  const what =
    found[0] === undefined
      ? `package "${own}" is not among its dependencies; run "npm install ${own}"`
      : `package "${own}" in ${JSON.stringify(found[0] || ".")} lacks ${built}; run "npm run build" there, or install it anew`;
  throw new ReleaseError(`Cannot pack ${root}: ${what}`);
}
