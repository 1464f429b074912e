/** Classes and object literals: units that are members, and code that runs while a class is being defined. */

import type {
  AccessorProperty,
  Class,
  Function as FunctionNode,
  Node,
  ObjectProperty,
  PropertyDefinition,
} from "oxc-parser";
import { Scope, type Unit } from "./scope.ts";
import type { Frame, Handlers, Survey } from "./survey.ts";
import { visitFunction } from "./survey-scopes.ts";
import { literalKey } from "./syntax.ts";

function unitKind(kind: string): "method" | "getter" | "setter" {
  return kind === "get" ? "getter" : kind === "set" ? "setter" : "method";
}

function visitClass(survey: Survey, node: Class, unit: Unit): void {
  const isAnonymous = node.id === null;
  unit.site.seesName = isAnonymous && node.body.body.some(seesName);
  if (node.type === "ClassExpression" && node.decorators.length > 0) unit.site.untouchable = true;
  const { frame } = survey;
  const early = [...frame.early, unit];
  // Before `export` they are no part of the class's text: `@a(() => 1) export class A {}`.
  const outside = node.decorators.filter((decorator) => decorator.start < unit.start);
  for (const decorator of outside) {
    survey.visit(decorator);
    unit.issues.push({ at: decorator.start, code: "decorator", name: "@" });
  }
  survey.inUnit(unit, () => {
    survey.inFrame({ early }, () => {
      for (const decorator of node.decorators) if (!outside.includes(decorator)) survey.visit(decorator);
    });
    const names = new Set<string>();
    for (const member of node.body.body) {
      if ("key" in member && member.key.type === "PrivateIdentifier") names.add(member.key.name);
    }
    const scope = new Scope("class", survey.scope, unit);
    if (node.id) scope.declare("own", node.id.name, node.id.start, unit);
    const inBody: Partial<Frame> = { early, strict: true, class: unit };
    const privates = { names, unit, outer: frame.privates };
    survey.within(scope, () =>
      survey.inFrame(inBody, () => {
        survey.visit(node.superClass);
        const instance: Partial<Frame> = survey.immediate.has(node) ? {} : { early: [] };
        survey.inFrame({ privates }, () => {
          for (const member of node.body.body) visitMember(survey, member, unit, instance);
        });
      }),
    );
  });
}

function seesName(member: Node): boolean {
  if (member.type === "StaticBlock") return true;
  if (!("static" in member) || !member.static) return false;
  return member.type !== "MethodDefinition" || literalKey(member.key, member.computed) === "name";
}

function visitMember(survey: Survey, member: Node, unit: Unit, instance: Partial<Frame>): void {
  switch (member.type) {
    case "StaticBlock":
      return survey.inFrame({ self: unit, home: unit }, () =>
        survey.within(new Scope("body", survey.scope, unit), () => survey.statements(member.body)),
      );
    case "MethodDefinition": {
      if (!member.value.body) return;
      for (const decorator of member.decorators) survey.visit(decorator);
      if (member.computed) survey.visit(member.key);
      const name = literalKey(member.key, member.computed) ?? "";
      const method = survey.open(member, { kind: unitKind(member.kind), form: "member", name });
      if (member.decorators.length > 0) {
        method.issues.push({ at: member.decorators[0]!.start, code: "decorator", name: "@" });
      }
      if (member.kind === "constructor" && !("early" in instance)) {
        survey.immediate.add(member.value);
      }
      return visitFunction(survey, member.value, method, unit);
    }
    case "PropertyDefinition":
    case "AccessorProperty":
      return visitField(survey, member, unit, instance);
  }
}

function visitField(
  survey: Survey,
  member: PropertyDefinition | AccessorProperty,
  unit: Unit,
  instance: Partial<Frame>,
): void {
  if (member.declare || member.type.startsWith("TSAbstract")) return;
  for (const decorator of member.decorators) survey.visit(decorator);
  if (member.computed) survey.visit(member.key);
  survey.ends(member);
  survey.inferKey(member.value, member.key, member.computed);
  const frame: Partial<Frame> = { self: unit, home: unit, ...(member.static ? {} : { ...instance, field: unit }) };
  survey.inFrame(frame, () => survey.visit(member.value));
}

/** A property of an object literal that has its own function body. */
function visitMethod(survey: Survey, property: ObjectProperty, value: FunctionNode, name: string | null): Unit {
  const { key, computed } = property;
  const computedKey = computed ? keyRange(survey.code, property, key, value) : null;
  const kind = unitKind(property.method ? "method" : property.kind);
  const unit = survey.open(property, { kind, form: "property", name: name ?? "", computedKey });
  visitFunction(survey, value, unit, survey.unit);
  return unit;
}

/** From the bracket before a computed key to the one behind it; between them and the key are only blanks and comments. */
function keyRange(code: string, property: Node, key: Node, value: Node): [number, number] {
  const blank = /\s|\/\*[^]*?\*\/|\/\/.*/y;
  let end = key.end;
  for (blank.lastIndex = end; end < value.start && blank.test(code);) end = blank.lastIndex;
  const opening = /^(?:(?:\s|\/\*[^]*?\*\/|\/\/.*\n)|async\b|get\b|set\b|\*)*/;
  const head = opening.exec(code.slice(property.start, key.start))?.[0].length ?? 0;
  return [property.start + head, end + 1];
}

export const classes: Handlers = {
  ClassDeclaration(survey, node) {
    if (node.declare) return;
    const unit = survey.open(node, { kind: "class", form: "declaration", name: node.id?.name ?? "default" });
    if (node.id) unit.binding = survey.scope.declare("class", node.id.name, node.id.start, unit);
    else {
      unit.site.anonymousDefault = unit.site.inferred = true;
      survey.openEnds.add(node.end);
    }
    // Neither can become an expression.
    if (!node.id && (node.abstract || node.decorators.length > 0)) unit.site.untouchable = true;
    visitClass(survey, node, unit);
  },
  ClassExpression(survey, node) {
    const name = node.id?.name ?? survey.inferred.get(node) ?? "";
    visitClass(survey, node, survey.open(node, { kind: "class", form: "expression", name }));
  },

  ObjectExpression(survey, node) {
    const names = new Map<string, Unit | null>();
    for (const property of node.properties) {
      if (property.type === "SpreadElement") {
        survey.visit(property.argument);
        names.clear();
        continue;
      }
      const { key, value, computed } = property;
      const name = literalKey(key, computed);
      if (computed) survey.visit(key);
      const isMethod = property.method || property.kind !== "init";
      if (isMethod && value.type === "FunctionExpression") {
        const unit = visitMethod(survey, property, value, name);
        if (name !== null) names.set(name, unit.kind === "method" && !survey.frame.inDecorator ? unit : null);
      } else {
        if (!(name === "__proto__" && !computed)) survey.infer(value, name);
        survey.visit(value);
        if (name !== null) names.set(name, null);
      }
      // A key known only at run time may be the name of any method before it.
      if (name === null) names.clear();
    }
    const methods = [...names.values()].filter((unit) => unit !== null);
    const { start, end } = node;
    if (methods.length > 0) survey.objects.push({ start, end, afterNew: survey.afterNew.has(node), methods });
  },
};
