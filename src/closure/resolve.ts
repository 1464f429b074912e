/** From names to what they mean: what each unit needs from around it, and what keeps it from travelling. */

import type { FreeName, Issue } from "./analysis.ts";
import { earlyBindings, type Resolved } from "./early.ts";
import type { Binding, Reference, Scope, Unit } from "./scope.ts";
import type { Survey } from "./survey.ts";

type Free = Map<Binding, { at: number; early: boolean }>;

export interface Resolution {
  readonly free: ReadonlyMap<Unit, readonly FreeName[]>;
  readonly pure: ReadonlySet<Unit>;
  /** Indexes of the imports that some code of the file uses. */
  readonly usedImports: ReadonlySet<number>;
  /** Names that resolve to nothing. */
  readonly globals: ReadonlySet<string>;
}

/** Resolves every use of a name. Marks the bindings that are written to, so it comes before all questions about bindings. */
export function resolveNames(survey: Survey): { readonly resolved: Resolved[]; readonly globals: ReadonlySet<string> } {
  const resolved: Resolved[] = [];
  const globals = new Set<string>();
  for (const reference of survey.references) {
    const { name, at, scope, unit, write, called } = reference;
    const binding = name === "arguments" ? argumentsOf(reference) : scope.resolve(name);
    if (binding) {
      resolved.push({ reference, binding });
      // The own name of a function expression cannot be changed, whatever is assigned to it.
      if (write && binding.kind !== "own") binding.written = true;
    } else {
      globals.add(name);
      if (called && name === "eval") {
        for (let each = unit; each; each = each.parent) each.issues.push({ at, code: "eval", name });
      }
    }
  }
  return { resolved, globals };
}

/** `arguments` is a name like any other until the closest function that has its own; there it is refused to units in between. */
function argumentsOf({ name, at, scope, unit }: Reference): Binding | null {
  let owner: Unit | null = null;
  for (let each: Scope | null = scope; each; each = each.parent) {
    const binding = each.names.get(name);
    if (binding) return binding;
    if (each.argumentsOf) {
      owner = each.argumentsOf;
      break;
    }
  }
  for (let each = unit; each && each !== owner; each = each.parent) each.issues.push({ at, code: "arguments", name });
  return null;
}

function kindOf(binding: Binding): FreeName["kind"] {
  if (binding.import >= 0) return "import";
  const fixed = binding.unit !== null && !binding.written && binding.kind !== "namespace";
  return fixed ? "unit" : "value";
}

/** Whether nothing but `unit` can be behind the name it is bound to. */
export function isConstant(unit: Unit): boolean {
  return unit.binding !== null && unit.binding.unit === unit && kindOf(unit.binding) === "unit";
}

const refusals: Partial<Record<Binding["kind"], Issue["code"]>> = {
  enum: "enum",
  namespace: "namespace",
  alias: "import-assignment",
};

/** `resolved` and the imports must be settled, and the units must have their indexes. */
export function resolveUnits(
  survey: Survey,
  resolved: readonly Resolved[],
): Pick<Resolution, "free" | "pure" | "usedImports"> {
  const frees = new Map<Unit, Free>(survey.units.map((unit) => [unit, new Map()]));
  const usedImports = new Set<number>();
  for (const { reference, binding } of resolved) {
    const { at, write, name } = reference;
    if (binding.import >= 0) usedImports.add(binding.import);
    const refusal = refusals[binding.kind];
    for (let unit = reference.unit; unit && unit !== binding.scope.unit; unit = unit.parent) {
      const free = frees.get(unit)!;
      const known = free.get(binding);
      if (!known) free.set(binding, { at, early: false });
      else if (at < known.at) known.at = at;
      if (refusal) unit.issues.push({ at, code: refusal, name });
      if (write) unit.issues.push({ at, code: "assignment", name });
    }
  }
  for (const [unit, bindings] of earlyBindings(resolved, survey.memberUses, survey.units)) {
    const free = frees.get(unit)!;
    for (const binding of bindings) {
      const known = free.get(binding);
      if (known) known.early = true;
    }
  }
  const free = new Map(
    [...frees].map(([unit, names]) => [unit, [...names].map(describe).toSorted((a, b) => a.at - b.at)]),
  );
  return { free, pure: pureUnits(survey.units, free), usedImports };
}

function describe([binding, { at, early }]: [Binding, { at: number; early: boolean }]): FreeName {
  const common = { name: binding.name, at, declaredAt: binding.at, early };
  const kind = kindOf(binding);
  if (kind === "import") return { ...common, kind, import: binding.import };
  return kind === "unit" ? { ...common, kind, unit: binding.unit!.index } : { ...common, kind };
}

/** All units are taken for pure until something that they reach proves otherwise. */
function pureUnits(units: readonly Unit[], free: ReadonlyMap<Unit, readonly FreeName[]>): Set<Unit> {
  const pure = new Set<Unit>();
  const users = new Map<Unit, Unit[]>();
  const impure: Unit[] = [];
  for (const unit of units) {
    const names = free.get(unit) ?? [];
    if (unit.issues.length > 0 || names.some((name) => name.kind === "value")) impure.push(unit);
    else pure.add(unit);
    for (const name of names) {
      if (name.kind !== "unit") continue;
      const used = units[name.unit]!;
      const list = users.get(used);
      if (list) list.push(unit);
      else users.set(used, [unit]);
    }
  }
  for (const unit of impure) {
    for (const user of users.get(unit) ?? []) if (pure.delete(user)) impure.push(user);
  }
  return pure;
}

/** One of each kind and name, the first, in the order of the text. */
export function distinctIssues(issues: readonly Issue[]): Issue[] {
  const seen = new Set<string>();
  return issues
    .toSorted((a, b) => a.at - b.at)
    .filter(({ code, name }) => {
      const key = `${code} ${name}`;
      return seen.has(key) ? false : seen.add(key);
    });
}
