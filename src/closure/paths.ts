/** Declaration paths: `main.Foo.bar`, the identity of a class together with its file. */

import type { Unit } from "./scope.ts";

/** The path of each unit, in the order of the units; a path that is taken already gets `#2`, `#3`. */
export function pathsOf(units: readonly Unit[]): string[] {
  const taken = new Set<string>();
  const paths: string[] = [];
  for (const unit of units) {
    const own = unit.name || `<${unit.index}>`;
    const wanted = unit.parent ? `${paths[unit.parent.index]}.${own}` : own;
    let path = wanted;
    for (let count = 2; taken.has(path); count++) path = `${wanted}#${count}`;
    taken.add(path);
    paths.push(path);
  }
  return paths;
}
