/** Which parts of a class run while it is being defined, besides those that stand there: what these call. */

import type { Binding, MemberUse, Reference, Unit } from "./scope.ts";

export interface Resolved {
  readonly reference: Reference;
  readonly binding: Binding;
}

/** A stretch of code of the class that runs early: a whole unit in it, or the initialisers of its instance fields. */
type Part = Unit | "fields";

interface Contents {
  readonly references: Resolved[];
  readonly uses: MemberUse[];
  readonly members: Unit[];
}

/** For each class the bindings that it reads while it is being defined. */
export function earlyBindings(
  references: readonly Resolved[],
  uses: readonly MemberUse[],
  units: readonly Unit[],
): ReadonlyMap<Unit, ReadonlySet<Binding>> {
  const classes = new Map<Unit, Contents>();
  for (const unit of units) if (unit.kind === "class") classes.set(unit, { references: [], uses: [], members: [] });
  for (const unit of units) if (unit.form === "member") classes.get(unit.parent!)!.members.push(unit);
  const forEachClass = (unit: Unit | null, visit: (contents: Contents) => void): void => {
    for (let each = unit; each; each = each.parent) {
      const contents = classes.get(each);
      if (contents) visit(contents);
    }
  };
  for (const each of references) forEachClass(each.reference.unit, (contents) => contents.references.push(each));
  for (const use of uses) forEachClass(use.unit, (contents) => contents.uses.push(use));
  return new Map([...classes].map(([owner, contents]) => [owner, reached(owner, contents)]));
}

function reached(owner: Unit, { references, uses, members }: Contents): Set<Binding> {
  const early = new Set<Binding>();
  const parts = new Set<Part>();

  const read = ({ binding }: Resolved): void => {
    early.add(binding);
    if (binding.unit && binding.unit !== owner && isWithin(binding.unit, owner)) parts.add(binding.unit);
  };
  /** Whether `object` is the class, or something made in it that may be an instance. */
  const isOwn = ({ object, property, scope }: MemberUse): boolean => {
    if (object === "this") return true;
    const binding = scope.resolve(object);
    if (!binding) return false;
    return binding.unit === owner || (property !== "constructor" && isWithin(binding.scope.unit, owner));
  };
  const reach = (use: MemberUse): void => {
    if (!isOwn(use)) return;
    const { property } = use;
    for (const member of members) if (member.name === property) parts.add(member);
    if (property === "constructor") parts.add("fields");
  };
  const belongs = (
    part: Part,
    { unit, field }: { readonly unit: Unit | null; readonly field: Unit | null },
  ): boolean => (part === "fields" ? field === owner : isWithin(unit, part));

  for (const each of references) if (each.reference.early.includes(owner)) read(each);
  for (const use of uses) if (use.early.includes(owner)) reach(use);
  // A set may grow while it is iterated; what is added then is visited too.
  for (const part of parts) {
    for (const each of references) if (belongs(part, each.reference)) read(each);
    for (const use of uses) if (belongs(part, use)) reach(use);
  }
  return early;
}

function isWithin(unit: Unit | null, outer: Unit): boolean {
  for (let each = unit; each; each = each.parent) if (each === outer) return true;
  return false;
}
