/** Uses of names: expressions, assignments, and what must not leave its function. */

import type { Node } from "oxc-parser";
import type { Handlers, Survey } from "./survey.ts";
import { leftmost, literalKey, unwrap } from "./syntax.ts";

/** A place that is assigned to. */
export function target(survey: Survey, node: Node): void {
  switch (node.type) {
    case "Identifier":
      return survey.refer(node.name, node.start, true);
    case "ArrayPattern":
      for (const element of node.elements) if (element) target(survey, element);
      return;
    case "ObjectPattern":
      for (const property of node.properties) target(survey, property);
      return;
    case "Property":
      if (node.computed) survey.visit(node.key);
      return target(survey, node.value);
    case "AssignmentPattern":
      target(survey, node.left);
      inferTarget(survey, node, node.left, node.right);
      return survey.visit(node.right);
    case "RestElement":
      return target(survey, node.argument);
    default: {
      const inner = unwrap(node);
      if (inner === node) survey.visit(node);
      else target(survey, inner);
    }
  }
}

/** A name in parentheses, `(f) = () => 1`, names nothing; the tree shows them only by where the name starts. */
function inferTarget(survey: Survey, node: Node, left: Node, right: Node): void {
  if (left.type === "Identifier" && left.start === node.start) survey.infer(right, left.name);
}

function isCallable(node: Node): boolean {
  return node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression";
}

/** Functions that run while the class around them is being defined: called on the spot, or handed to a call there. */
function markImmediate(survey: Survey, callee: Node, args: readonly Node[]): void {
  if (survey.frame.early.length === 0) return;
  let called = unwrap(callee);
  if (called.type === "MemberExpression") called = unwrap(called.object);
  if (isCallable(called) || called.type === "ClassExpression") survey.immediate.add(called);
  for (const argument of args) {
    const value = unwrap(argument);
    if (isCallable(value)) survey.immediate.add(value);
  }
}

function jsx(survey: Survey, node: Node): void {
  if (survey.unit?.issues.every((issue) => issue.code !== "jsx")) survey.issue("jsx", node.start, "JSX");
  survey.children(node);
}

function jsxName(survey: Survey, name: Node, member = false): void {
  if (name.type === "JSXMemberExpression") return jsxName(survey, name.object, true);
  if (name.type !== "JSXIdentifier") return;
  if (name.name === "this") return survey.issue("this", name.start, "this", survey.frame.self);
  if (member || !/^[a-z]|-/.test(name.name)) survey.refer(name.name, name.start);
}

export const names: Handlers = {
  Identifier: (survey, node) => survey.refer(node.name, node.start),
  ThisExpression: (survey, node) => survey.issue("this", node.start, "this", survey.frame.self),
  Super: (survey, node) => survey.issue("super", node.start, "super", survey.frame.home),
  MetaProperty(survey, node) {
    if (node.meta.name === "new") survey.issue("new.target", node.start, "new.target", survey.frame.self);
  },
  PrivateIdentifier(survey, node) {
    let scope = survey.frame.privates;
    while (scope && !scope.names.has(node.name)) scope = scope.outer;
    survey.issue("private", node.start, `#${node.name}`, scope?.unit ?? null);
  },

  MemberExpression(survey, node) {
    survey.visit(node.object);
    const name = literalKey(node.property, node.computed);
    if (name !== null) survey.memberUse(node.object, name);
    if (node.computed || node.property.type === "PrivateIdentifier") survey.visit(node.property);
  },
  CallExpression(survey, node) {
    markImmediate(survey, node.callee, node.arguments);
    const { callee } = node;
    if (callee.type === "Identifier") {
      survey.refer(callee.name, callee.start, false, !node.optional);
      const [first] = node.arguments;
      if (callee.name === "require" && first && namesPackage(first)) survey.usesPackage = true;
    } else survey.visit(callee);
    for (const argument of node.arguments) survey.visit(argument);
  },
  NewExpression(survey, node) {
    markImmediate(survey, node.callee, node.arguments);
    survey.afterNew.add(leftmost(node.callee));
    survey.memberUse(node.callee, "constructor");
    survey.children(node);
  },
  ImportExpression(survey, node) {
    if (namesPackage(node.source)) survey.usesPackage = true;
    survey.children(node);
  },

  // Long sums lean to the left, deeper than the stack goes.
  BinaryExpression(survey, node) {
    const rights: Node[] = [];
    let left: Node = node;
    for (; left.type === "BinaryExpression"; left = left.left) rights.push(left.right);
    survey.visit(left);
    for (const right of rights.toReversed()) survey.visit(right);
  },

  AssignmentExpression(survey, node) {
    target(survey, node.left);
    if (/^(=|&&=|\|\|=|\?\?=)$/.test(node.operator)) inferTarget(survey, node, node.left, node.right);
    survey.visit(node.right);
  },
  UpdateExpression: (survey, node) => target(survey, node.argument),
  WithStatement(survey, node) {
    survey.issue("with", node.start, "with");
    survey.visit(node.object);
    survey.inFrame({ inWith: true }, () => survey.visit(node.body));
  },
  Decorator(survey, node) {
    survey.issue("decorator", node.start, "@");
    survey.inFrame({ inDecorator: true }, () => survey.visit(node.expression));
  },

  JSXElement: jsx,
  JSXFragment: jsx,
  JSXOpeningElement(survey, node) {
    jsxName(survey, node.name);
    for (const attribute of node.attributes) survey.visit(attribute);
  },
  JSXClosingElement: () => {},
  JSXAttribute: (survey, node) => survey.visit(node.value),

  ExpressionStatement(survey, node) {
    survey.ends(node);
    survey.visit(node.expression);
  },
  ReturnStatement(survey, node) {
    survey.ends(node);
    survey.visit(node.argument);
  },
  ThrowStatement(survey, node) {
    survey.ends(node);
    survey.visit(node.argument);
  },
  LabeledStatement(survey, node) {
    survey.visit(node.body);
  },
  BreakStatement: () => {},
  ContinueStatement: () => {},
};

export function isPackage(specifier: string): boolean {
  return specifier === "tinderbox" || specifier.startsWith("tinderbox/");
}

export function namesPackage(node: Node): boolean {
  return node.type === "Literal" && typeof node.value === "string" && isPackage(node.value);
}
