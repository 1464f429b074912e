/**
 * One walk over a syntax tree that records units, scopes, and uses of names. The handlers of the single node types are in
 * `survey-*.ts`; this file has what they share.
 */

import type { Node } from "oxc-parser";
import type { ImportInfo, Issue } from "./analysis.ts";
import { Scope, type Binding, type Hoist, type MemberUse, type Reference, type Site, type Unit } from "./scope.ts";
import { codeKeys, isAnonymous, literalKey, startOf, unwrap } from "./syntax.ts";

type NodeOf<Type, Any = Node> = Any extends { type: infer Own } ? (Type extends Own ? Any : never) : never;
export type Handlers = { readonly [Type in Node["type"]]?: (survey: Survey, node: NodeOf<Type>) => void };
type Handler = (survey: Survey, node: Node) => void;

/** What a function or class gives to the code in it. */
export interface Frame {
  /** Whose `this` and `new.target` it is; nothing at module level. */
  readonly self: Unit | null;
  /** Within which unit `super` has a meaning. */
  readonly home: Unit | null;
  readonly strict: boolean;
  readonly early: readonly Unit[];
  readonly field: Unit | null;
  /** The innermost class around this code. */
  readonly class: Unit | null;
  readonly privates: {
    readonly names: ReadonlySet<string>;
    readonly unit: Unit;
    readonly outer: Frame["privates"];
  } | null;
  readonly inWith: boolean;
  readonly inDecorator: boolean;
}

/** An object literal with methods that can be stamped by name afterwards. */
export interface ObjectSite {
  readonly start: number;
  readonly end: number;
  readonly afterNew: boolean;
  readonly methods: Unit[];
}

export class Survey {
  readonly code: string;
  readonly units: Unit[] = [];
  readonly references: Reference[] = [];
  readonly memberUses: MemberUse[] = [];
  readonly imports: { readonly binding: Binding; readonly info: ImportInfo }[] = [];
  /** Names with an initializer that may stand for an import. */
  readonly candidates: Binding[] = [];
  readonly objects: ObjectSite[] = [];
  /** Ends of statements that have no semicolon. */
  readonly openEnds: Set<number> = new Set();
  /** Whether a value of the package itself is imported. */
  usesPackage = false;

  scope: Scope = new Scope("module", null, null);
  unit: Unit | null = null;
  frame: Frame;
  hoist: Hoist | null = null;
  /** The statement of the current list that is being visited. */
  direct: Node | null = null;
  /** Names that the language gives to anonymous functions and classes. */
  readonly inferred: Map<Node, string> = new Map();
  /** Variables that these functions and classes initialise. */
  readonly initialised: Map<Node, Binding> = new Map();
  /** Functions and classes called where they stand. */
  readonly immediate: Set<Node> = new Set();
  readonly afterNew: Set<Node> = new Set();
  readonly #handlers: Handlers;

  constructor(code: string, handlers: Handlers, strict: boolean) {
    this.code = code;
    this.#handlers = handlers;
    const nothing = { self: null, home: null, field: null, class: null, privates: null };
    this.frame = { ...nothing, strict, early: [], inWith: false, inDecorator: false };
  }

  visit(node: Node | null | undefined): void {
    if (!node) return;
    const handler = this.#handlers[node.type] as Handler | undefined;
    if (handler) handler(this, node);
    else this.children(node);
  }

  children(node: Node): void {
    const keys = codeKeys(node.type);
    if (!keys) return;
    for (const key of keys) {
      const child = (node as unknown as Record<string, Node | (Node | null)[] | null | undefined>)[key];
      if (Array.isArray(child)) for (const each of child) this.visit(each);
      else this.visit(child);
    }
  }

  /** A list of statements, at whose start the function declarations in it come to exist. */
  statements(list: readonly Node[]): Hoist | null {
    const { hoist, direct } = this;
    const start = hoistOf(list);
    this.hoist = start;
    for (const statement of list) {
      this.direct = statement;
      this.visit(statement);
    }
    this.hoist = hoist;
    this.direct = direct;
    return start;
  }

  within(scope: Scope, visit: () => void): void {
    const outer = this.scope;
    this.scope = scope;
    visit();
    this.scope = outer;
  }

  inFrame(changes: Partial<Frame>, visit: () => void): void {
    const outer = this.frame;
    this.frame = { ...outer, ...changes };
    visit();
    this.frame = outer;
  }

  inUnit(unit: Unit, visit: () => void): void {
    const outer = this.unit;
    this.unit = unit;
    visit();
    this.unit = outer;
  }

  open(
    node: Node,
    about: Pick<Unit, "kind" | "form" | "name"> & Partial<Pick<Unit, "start" | "end" | "computedKey">>,
  ): Unit {
    const site: Site = {
      hoist: null,
      afterNew: this.afterNew.has(node),
      inferred: this.inferred.has(node),
      seesName: false,
      untouchable: this.frame.inDecorator,
      bound: false,
      anonymousDefault: false,
    };
    const { start, end } = node;
    const { strict } = this.frame;
    const binding = this.initialised.get(node) ?? null;
    const place = { parent: this.unit, strict, computedKey: null, issues: [], site, binding, index: -1 };
    const unit: Unit = { start, end, ...place, ...about };
    if (unit.form === "member") unit.issues.push({ at: unit.start, code: "member", name: unit.name });
    if (this.frame.inWith) unit.issues.push({ at: unit.start, code: "with", name: "with" });
    if (binding) binding.unit = unit;
    this.units.push(unit);
    return unit;
  }

  refer(name: string, at: number, write = false, called = false): void {
    const { scope, unit } = this;
    const { early, field } = this.frame;
    this.references.push({ name, at, scope, unit, early, field, write, called });
  }

  memberUse(node: Node, property: string): void {
    const { unit, scope } = this;
    const { early, field } = this.frame;
    if (!unit || !this.frame.class) return;
    const value = unwrap(node);
    const made = value.type === "NewExpression" ? unwrap(value.callee) : value;
    const object = made.type === "ThisExpression" ? "this" : made.type === "Identifier" ? made.name : null;
    if (object !== null) this.memberUses.push({ object, property, scope, unit, early, field });
  }

  /** Of all units around this place up to `owner`, for which it is in order; without an owner, of all. */
  issue(code: Issue["code"], at: number, name: string, owner: Unit | null = null): void {
    for (let unit = this.unit; unit && unit !== owner; unit = unit.parent) unit.issues.push({ at, code, name });
  }

  /** Says that `value` is assigned to `name`, which names it if it is an anonymous function or class. */
  infer(value: Node | null | undefined, name: string | null): void {
    if (!value || name === null) return;
    const node = unwrap(value);
    if (isAnonymous(node)) this.inferred.set(node, name);
  }

  inferKey(value: Node | null | undefined, key: Node, computed: boolean): void {
    this.infer(value, literalKey(key, computed));
  }

  ends(statement: Node): void {
    if (this.code[statement.end - 1] !== ";") this.openEnds.add(statement.end);
  }
}

function hoistOf(list: readonly Node[]): Hoist | null {
  let last: Node | null = null;
  for (const statement of list) {
    if (!("directive" in statement) || !statement.directive) {
      return last ? { at: last.end, kind: "directive" } : { at: startOf(statement), kind: "statement" };
    }
    last = statement;
  }
  return last ? { at: last.end, kind: "directive" } : null;
}
