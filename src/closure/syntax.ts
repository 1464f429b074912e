/** Small questions about syntax nodes, and which children of a node hold code rather than types. */

import type { Node } from "oxc-parser";
import { loadParser } from "./parser.ts";

const typeKeys = new Set([
  "typeAnnotation",
  "typeParameters",
  "typeArguments",
  "superTypeArguments",
  "returnType",
  "implements",
]);
const expressionsWithTypes = new Set([
  "TSAsExpression",
  "TSSatisfiesExpression",
  "TSNonNullExpression",
  "TSTypeAssertion",
  "TSInstantiationExpression",
  "TSExportAssignment",
]);

let keysByType: ReadonlyMap<string, readonly string[]> | undefined;

/** The keys of a node's children that can run. Nodes that are only types have none. */
export function codeKeys(type: string): readonly string[] | undefined {
  keysByType ??= new Map(
    Object.entries(loadParser().visitorKeys).map(([name, keys]) => {
      if (name.startsWith("TS") && !expressionsWithTypes.has(name)) return [name, []];
      return [name, keys.filter((key) => !typeKeys.has(key))];
    }),
  );
  return keysByType.get(type);
}

/**
 * The expression inside parentheses and type assertions, which leave no trace at run time, and inside of `__name(f, "f")`,
 * by which esbuild and tsx keep the names that the language would have inferred.
 */
export function unwrap(node: Node): Node {
  switch (node.type) {
    case "ParenthesizedExpression":
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "TSInstantiationExpression":
      return unwrap(node.expression);
    case "CallExpression": {
      const { callee, arguments: given } = node;
      const keepsName = callee.type === "Identifier" && callee.name === "__name" && given.length === 2;
      return keepsName && given[0]!.type !== "SpreadElement" ? unwrap(given[0]!) : node;
    }
    default:
      return node;
  }
}

/** The name of a property, method or member if the text gives it away, private ones with their `#`. */
export function literalKey(key: Node, computed: boolean): string | null {
  if (key.type === "Identifier") return computed ? null : key.name;
  if (key.type === "PrivateIdentifier") return `#${key.name}`;
  if (key.type === "Literal") {
    if ("bigint" in key) return key.bigint ?? null;
    return typeof key.value === "string" || typeof key.value === "number" ? String(key.value) : null;
  }
  if (key.type === "TemplateLiteral" && key.expressions.length === 0) return key.quasis[0]?.value.cooked ?? null;
  return null;
}

/** A function or class that takes the name of what it is assigned to. */
export function isAnonymous(node: Node): boolean {
  if (node.type === "ArrowFunctionExpression") return true;
  return (node.type === "FunctionExpression" || node.type === "ClassExpression") && node.id === null;
}

/** The node with which the text of an expression begins, as far as a call added behind it would bind to it. */
export function leftmost(node: Node): Node {
  switch (node.type) {
    case "MemberExpression":
      return leftmost(node.object);
    case "TaggedTemplateExpression":
      return leftmost(node.tag);
    case "TSNonNullExpression":
    case "TSInstantiationExpression":
      return leftmost(node.expression);
    default:
      return node;
  }
}

/** Where the text of a statement begins: decorators may stand before `export`, outside the node. */
export function startOf(statement: Node): number {
  const inner = "declaration" in statement ? statement.declaration : statement;
  const decorators = inner && typeof inner === "object" && "decorators" in inner ? inner.decorators : undefined;
  return Math.min(statement.start, decorators?.[0]?.start ?? statement.start);
}
