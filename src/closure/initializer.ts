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
  | { readonly type: "require"; readonly callee: string; readonly specifier: string; readonly helper?: Helper }
  | { readonly type: "createRequire"; readonly callee: string; readonly member: boolean }
  | { readonly type: "import"; readonly specifier: string }
  | { readonly type: "global"; readonly name: string };

/** Functions of compilers to CommonJS that make a module of what `require` gives. */
export type Helper = keyof typeof helpers;

const helpers = {
  __importDefault: "default",
  __importStar: "namespace",
  __toESM: "namespace",
  _interopRequireDefault: "default",
  _interopRequireWildcard: "namespace",
} as const;

/** JavaScript of a function that does what a helper does, for a module that has none. */
export function helperText(helper: Helper): string {
  return helpers[helper] === "default"
    ? "((it) => (it?.__esModule ? it : { default: it }))"
    : "((it, node) => (it?.__esModule && !node ? it : { ...it, default: it }))";
}

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
      const [argument] = node.arguments;
      if (node.optional || !argument) return null;
      const callee = unwrap(node.callee);
      const isMember = callee.type === "MemberExpression";
      const name = isMember
        ? literalKey(callee.property, callee.computed)
        : callee.type === "Identifier" && callee.name;
      if (!name || (isMember && callee.object.type !== "Identifier")) return null;
      if (Object.hasOwn(helpers, name)) {
        const inner = node.arguments.slice(1).every(isPlain) ? rootOf(argument, []) : null;
        return inner?.type === "require" ? { ...inner, helper: name as Helper } : null;
      }
      if (node.arguments.length !== 1) return null;
      const specifier = isMember ? null : stringOf(argument);
      if (specifier !== null) return { type: "require", callee: name, specifier };
      if (!isOwnLocation(argument) || (isMember && name !== "createRequire")) return null;
      const object = isMember && callee.object.type === "Identifier" ? callee.object.name : name;
      return { type: "createRequire", callee: object, member: isMember };
    }
    default:
      return null;
  }
}

function namesOf(
  pattern: Node,
  path: readonly string[],
  add: (name: string, path: readonly string[]) => void,
): boolean {
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
  if (literal.type === "TemplateLiteral" && literal.expressions.length === 0)
    return literal.quasis[0]?.value.cooked ?? null;
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
  return node.properties.every(
    (each) => each.type === "Property" && !each.computed && !each.shorthand && isPlain(each.value),
  );
}
