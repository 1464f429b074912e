/**
 * What the survey of one file records: scopes as JavaScript has them, the names they bind, the units, and every use of a
 * name. Nothing is resolved here, since a name may be hoisted from below its use.
 */

import type { Issue, UnitInfo } from "./analysis.ts";
import type { Initializer } from "./initializer.ts";

export interface Unit {
  readonly kind: UnitInfo["kind"];
  readonly form: UnitInfo["form"];
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly parent: Unit | null;
  readonly strict: boolean;
  /** Range of a computed key, brackets included, that the unit's text contains and that is not part of it. */
  readonly computedKey: readonly [number, number] | null;
  readonly issues: Issue[];
  readonly site: Site;
  /** The variable that is initialised with it, or the name that its declaration binds. */
  binding: Binding | null;
  index: number;
}

/** Where and how the transform may stamp a unit. */
export interface Site {
  /** For a function declaration: the start of the statement list that hoists it. */
  hoist: Hoist | null;
  /** Directly after `new`, where a call would end the callee. */
  afterNew: boolean;
  /** The name comes from the language, so a wrapped unit would lose it. */
  inferred: boolean;
  /** Anonymous class whose own code runs while it is defined and may see its name, or that defines a static `name`. */
  seesName: boolean;
  /** The text must stay as it is: within a decorator, or a decorated class expression. */
  untouchable: boolean;
  /** Whether its name holds it when the function begins, and not a later declaration of the same name. */
  bound: boolean;
  /** `export default class {}`, which has to become an expression to be stamped. */
  anonymousDefault: boolean;
}

export interface Hoist {
  readonly at: number;
  /** `directive`: behind the last one; `case`: before the first test of a switch. */
  readonly kind: "statement" | "directive" | "case";
}

export type BindingKind =
  "import" | "function" | "class" | "own" | "var" | "let" | "const" | "parameter" | "enum" | "namespace" | "alias";

export interface Binding {
  readonly name: string;
  readonly at: number;
  readonly scope: Scope;
  kind: BindingKind;
  /** The function or class that it always holds, if nothing writes to it. */
  unit: Unit | null;
  initialized: boolean;
  written: boolean;
  /** Index in the file's imports, -1 when it is none. */
  import: number;
  initializer: Initializer | null;
}

export interface Reference {
  readonly name: string;
  readonly at: number;
  readonly scope: Scope;
  readonly unit: Unit | null;
  /** Class units whose definition runs this code. */
  readonly early: readonly Unit[];
  /** The class in whose instance fields it stands. */
  readonly field: Unit | null;
  readonly write: boolean;
  /** The callee of a call, `eval(...)`, not `eval?.(...)`. */
  readonly called: boolean;
}

/** A use that may run another member of the class around it: `this.name`, `Name.name`, or `new Name()` as "constructor". */
export interface MemberUse {
  /** The name before the dot or behind `new`, "this" for `this`. */
  readonly object: string;
  readonly property: string;
  readonly scope: Scope;
  readonly unit: Unit;
  readonly early: readonly Unit[];
  readonly field: Unit | null;
}

type ScopeKind = "module" | "name" | "parameters" | "body" | "block" | "class" | "enum";

export class Scope {
  readonly kind: ScopeKind;
  readonly parent: Scope | null;
  /** The innermost unit whose text contains this scope. */
  readonly unit: Unit | null;
  readonly names: Map<string, Binding> = new Map();
  /** The unit whose `arguments` is bound here. */
  readonly argumentsOf: Unit | null;

  constructor(kind: ScopeKind, parent: Scope | null, unit: Unit | null, argumentsOf: Unit | null = null) {
    this.kind = kind;
    this.parent = parent;
    this.unit = unit;
    this.argumentsOf = argumentsOf;
  }

  /** The scope that `var` declares in. */
  get variables(): Scope {
    let scope: Scope = this;
    while (scope.parent && scope.kind !== "body" && scope.kind !== "module") scope = scope.parent;
    return scope;
  }

  /**
   * `initialized`: the declaration gives the name a value; `certain`: there is no moment after it in which the name could
   * hold something else than that value.
   */
  declare(
    kind: BindingKind,
    name: string,
    at: number,
    unit: Unit | null = null,
    initialized = true,
    certain = true,
  ): Binding {
    const known = this.names.get(name);
    if (known === undefined) {
      const overParameter = kind === "var" && this.kind === "body" && this.parent?.names.has(name) === true;
      const written = !certain || overParameter;
      const binding: Binding = {
        name,
        at,
        scope: this,
        kind,
        unit,
        initialized,
        written,
        import: -1,
        initializer: null,
      };
      this.names.set(name, binding);
      return binding;
    }
    if (kind === "function" && (known.kind === "function" || known.kind === "var")) {
      known.unit = unit;
      if (known.kind === "var" && known.initialized) known.written = true;
    } else if (kind !== "var" || initialized) known.written = true;
    known.initialized ||= initialized;
    return known;
  }

  resolve(name: string): Binding | null {
    for (let scope: Scope | null = this; scope; scope = scope.parent) {
      const binding = scope.names.get(name);
      if (binding) return binding;
    }
    return null;
  }
}
