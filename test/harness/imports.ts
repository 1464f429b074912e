import { isBuiltin } from "node:module";
import { parseSync } from "oxc-parser";
import { walk } from "oxc-walker";

/** What a source file names from outside itself, by its syntax (so comments and strings of code do not count). */
export interface Outside {
  /** Module specifiers of every import, export-from, dynamic import, `import()` type, require and getBuiltinModule. */
  readonly modules: ReadonlySet<string>;
  /** Uses of the clock and timers that are global: `Date.now`, `performance.now`, `setTimeout`, `setInterval`. */
  readonly time: ReadonlySet<string>;
}

/** The few fields of a syntax node that are looked at. */
interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

export function outside(file: string, text: string): Outside {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`Cannot parse ${file}: ${errors[0]?.message}`);
  const modules = new Set<string>();
  const time = new Set<string>();
  walk(program, {
    enter(visited, visitedParent) {
      const node = visited as unknown as Node;
      const module = moduleOf(node);
      if (module !== undefined)
        modules.add(isBuiltin(module) && !module.startsWith("node:") ? `node:${module}` : module);
      const clock = timeOf(node, visitedParent as unknown as Node | null);
      if (clock !== undefined) time.add(clock);
    },
  });
  return { modules, time };
}

function moduleOf(node: Node): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return literal(node["source"]);
    case "CallExpression":
      return /^(require|process\.getBuiltinModule)$/.test(dotted(node["callee"]))
        ? literal((node["arguments"] as Node[])[0])
        : undefined;
    default:
      return undefined;
  }
}

function timeOf(node: Node, parent: Node | null): string | undefined {
  if (node.type === "NewExpression" && dotted(node["callee"]) === "Date") {
    return (node["arguments"] as Node[]).length === 0 ? "new Date()" : undefined;
  }
  if (node.type === "MemberExpression") {
    const name = dotted(node);
    return /^(globalThis\.)?(Date\.now|performance\.now|setTimeout|setInterval)$/.test(name) ? name : undefined;
  }
  if (node.type !== "Identifier" || !/^set(Timeout|Interval)$/.test(node["name"] as string)) return undefined;
  // A name of a property, a method or a parameter type is not the global.
  const isName = parent?.["key"] === node || (parent?.type === "MemberExpression" && parent["property"] === node);
  return isName && parent?.["shorthand"] !== true ? undefined : (node["name"] as string);
}

function literal(value: unknown): string | undefined {
  const node = value as Node | null | undefined;
  return node?.type === "Literal" && typeof node["value"] === "string" ? node["value"] : undefined;
}

/** `a.b` for a member expression of plain names, `a` for a name, otherwise nothing. */
function dotted(value: unknown): string {
  const node = value as Node;
  if (node.type === "Identifier") return node["name"] as string;
  if (node.type !== "MemberExpression" || node["computed"] === true) return "";
  return `${dotted(node["object"])}.${dotted(node["property"])}`;
}
