/** Which parts of a class run while it is being defined, besides those that stand there: what these call. */

import type { Binding, MemberUse, Reference, Unit } from "./scope.ts";

export interface Resolved {
  readonly reference: Reference;
  readonly binding: Binding;
}

/** A stretch of code of the class that runs early: a whole unit in it, or the initialisers of its instance fields. */
type Part = Unit | "fields";

function isWithin(unit: Unit | null, outer: Unit): boolean {
  for (let each = unit; each; each = each.parent) if (each === outer) return true;
  return false;
}

/** The bindings that `owner`, a class, reads while it is being defined. */
export function earlyBindings(owner: Unit, references: readonly Resolved[], uses: readonly MemberUse[], units: readonly Unit[]): Set<Binding> {
  const early = new Set<Binding>();
  const inside = references.filter(({ reference }) => isWithin(reference.unit, owner));
  const usesInside = uses.filter(({ unit }) => isWithin(unit, owner));
  const members = units.filter((unit) => unit.form === "member" && unit.parent === owner);
  const parts = new Set<Part>();

  const read = ({ binding }: Resolved): void => {
    early.add(binding);
    if (binding.unit && binding.unit !== owner && isWithin(binding.unit, owner)) parts.add(binding.unit);
  };
  const reach = ({ property }: MemberUse): void => {
    for (const member of members) if (member.name === property) parts.add(member);
    if (property === "constructor") parts.add("fields");
  };
  const belongs = (part: Part, { unit, field }: { readonly unit: Unit | null; readonly field: Unit | null }): boolean =>
    part === "fields" ? field === owner : isWithin(unit, part);

  for (const each of inside) if (each.reference.early.includes(owner)) read(each);
  for (const use of usesInside) if (use.early.includes(owner)) reach(use);
  // A set may grow while it is iterated; what is added then is visited too.
  for (const part of parts) {
    for (const each of inside) if (belongs(part, each.reference)) read(each);
    for (const use of usesInside) if (belongs(part, use)) reach(use);
  }
  return early;
}
