/** Initializers that a runner can evaluate by itself: `require("x")`, `await import("x")`, `Object.defineProperty`. */

import type { Node, VariableDeclarator } from "oxc-parser";
import { literalKey, unwrap } from "./syntax.ts";

export interface Initializer {
  readonly root: Root;
  /** Members read from the root, those of the binding pattern included. */
  readonly path: readonly string[];
  readonly declaration: "const" | "let" | "var";
  /** Range of the declarator. */
  readonly start: number;
  readonly end: number;
}

/** What it is by its shape; whether `callee` and `name` mean what they say is known when names are resolved. */
export type Root =
  | { readonly type: "require"; readonly callee: string; readonly specifier: string }
  | { readonly type: "createRequire"; readonly callee: string; readonly member: boolean }
  | { readonly type: "import"; readonly specifier: string }
  | { readonly type: "global"; readonly name: string };

/** The initializer of each name that `declarator` binds, or nothing when its pattern or value needs other code. */
export function initializersOf(declarator: VariableDeclarator, declaration: string): Map<string, Initializer> | null {
  if (declaration !== "const" && declaration !== "let" && declaration !== "var") return null;
  if (!declarator.init) return null;
  const chain: string[] = [];
  const root = rootOf(declarator.init, chain);
  if (root === null) return null;
  const found = new Map<string, Initializer>();
  const { start, end } = declarator;
  const fits = namesOf(declarator.id, chain, (name, path) => found.set(name, { root, path, declaration, start, end }));
  return fits ? found : null;
}

function rootOf(expression: Node, chain: string[]): Root | null {
  const node = unwrap(expression);
  switch (node.type) {
    case "MemberExpression": {
      if (node.optional) return null;
      const name = literalKey(node.property, node.computed);
      const root = name === null ? null : rootOf(node.object, chain);
      if (name === null || root === null || root.type === "createRequire") return null;
      chain.push(name);
      return root;
    }
    case "Identifier":
      return { type: "global", name: node.name };
    case "AwaitExpression": {
      const call = unwrap(node.argument);
      if (call.type !== "ImportExpression" || call.phase || (call.options && !isPlain(call.options))) return null;
      const specifier = stringOf(call.source);
      return specifier === null ? null : { type: "import", specifier };
    }
    case "CallExpression": {
      if (node.optional || node.arguments.length !== 1) return null;
      const callee = unwrap(node.callee);
      const argument = node.arguments[0]!;
      if (callee.type === "Identifier") {
        const specifier = stringOf(argument);
        if (specifier !== null) return { type: "require", callee: callee.name, specifier };
        return isOwnLocation(argument) ? { type: "createRequire", callee: callee.name, member: false } : null;
      }
      if (callee.type !== "MemberExpression" || callee.object.type !== "Identifier") return null;
      if (literalKey(callee.property, callee.computed) !== "createRequire" || !isOwnLocation(argument)) return null;
      return { type: "createRequire", callee: callee.object.name, member: true };
    }
    default:
      return null;
  }
}

function namesOf(pattern: Node, path: readonly string[], add: (name: string, path: readonly string[]) => void): boolean {
  switch (pattern.type) {
    case "Identifier":
      add(pattern.name, path);
      return true;
    case "AssignmentPattern":
      return isPlain(pattern.right) && namesOf(pattern.left, path, add);
    case "ObjectPattern":
      return pattern.properties.every((property) => {
        if (property.type === "RestElement") return namesOf(property.argument, path, add);
        const key = literalKey(property.key, property.computed);
        return key !== null && namesOf(property.value, [...path, key], add);
      });
    default:
      return false;
  }
}

function stringOf(node: Node): string | null {
  const literal = unwrap(node);
  if (literal.type === "Literal" && typeof literal.value === "string") return literal.value;
  if (literal.type === "TemplateLiteral" && literal.expressions.length === 0) return literal.quasis[0]?.value.cooked ?? null;
  return null;
}

/** `import.meta.url`, `import.meta.filename` or `__filename`: the file itself, so relative requests mean the same. */
function isOwnLocation(node: Node): boolean {
  if (node.type === "Identifier") return node.name === "__filename";
  if (node.type !== "MemberExpression" || node.object.type !== "MetaProperty") return false;
  const name = literalKey(node.property, node.computed);
  return name === "url" || name === "filename";
}

/** A literal, or an object of such. */
function isPlain(node: Node): boolean {
  if (node.type === "Literal") return true;
  if (node.type !== "ObjectExpression") return false;
  return node.properties.every((each) => each.type === "Property" && !each.computed && !each.shorthand && isPlain(each.value));
}
