/** Which variables stand for an import, and the text that makes each of them again. */

import type { ImportInfo } from "./analysis.ts";
import { helperText, type Initializer } from "./initializer.ts";
import type { Binding } from "./scope.ts";
import type { Survey } from "./survey.ts";

interface Comment {
  readonly start: number;
  readonly end: number;
}

interface Known {
  readonly binding: Binding;
  readonly info: Omit<ImportInfo, "after">;
  readonly after: Binding | null;
}

/** Numbers the imports of the file in the order of their names and marks their bindings. */
export function resolveImports(
  survey: Survey,
  comments: readonly Comment[],
  format: "module" | "commonjs",
): ImportInfo[] {
  const known = new Map<Binding, Known>();
  for (const { binding, info } of survey.imports) known.set(binding, { binding, info, after: null });
  const refused = new Set<Binding>();

  /** Also settles the `require` that an initializer calls, wherever that is declared. */
  const settle = (binding: Binding): Known | null => {
    const found = known.get(binding);
    if (found) return found;
    const { initializer } = binding;
    if (!initializer || binding.written || refused.has(binding)) return null;
    refused.add(binding);
    const about = describe(binding, initializer);
    if (!about) return null;
    const own = declarationText(survey.code, initializer, comments, format, about.after === null);
    const before = about.after ? `${known.get(about.after)!.info.text} ` : "";
    const { specifier, imported, after } = about;
    const info = { local: binding.name, at: binding.at, specifier, imported, text: before + own };
    const result: Known = { binding, info, after };
    known.set(binding, result);
    return result;
  };

  const describe = (binding: Binding, { root, path }: Initializer) => {
    const { scope } = binding;
    if (root.type === "import") return { specifier: root.specifier, imported: path.join(".") || "*", after: null };
    if (root.type === "global") {
      // Compilers give built-ins names of their own (`var __defProp = Object.defineProperty`), which are made again on
      // the runner. A person's alias of a built-in is a value like any other.
      const unbound = binding.name.startsWith("__") && scope.resolve(root.name) === null;
      return unbound ? { specifier: "", imported: "", after: null } : null;
    }
    const callee = scope.resolve(root.callee);
    if (root.type === "createRequire") {
      const maker = callee && callee !== binding ? settle(callee) : null;
      if (!maker || path.length > 0 || !/^(node:)?module$/.test(maker.info.specifier)) return null;
      const { imported } = maker.info;
      const fits = root.member ? imported === "default" || imported === "*" : imported === "createRequire";
      return fits ? { specifier: "node:module", imported: "createRequire()", after: maker.binding } : null;
    }
    const imported = path.join(".") || "*";
    if (callee === null) return root.callee === "require" ? { specifier: root.specifier, imported, after: null } : null;
    const maker = callee === binding ? null : settle(callee);
    if (maker?.info.imported !== "createRequire()") return null;
    return { specifier: root.specifier, imported, after: maker.binding };
  };

  for (const binding of survey.candidates) settle(binding);
  const all = [...known.values()].toSorted((a, b) => a.info.at - b.info.at);
  all.forEach(({ binding }, index) => (binding.import = index));
  return all.map(({ info, after }) => (after ? { ...info, after: after.import } : info));
}

/** The declaration on one line, since the generated module keeps the lines of the unit. */
function declarationText(
  code: string,
  { start, end, declaration, root }: Initializer,
  comments: readonly Comment[],
  format: "module" | "commonjs",
  unbound: boolean,
): string {
  let text = "";
  let from = start;
  for (const comment of comments) {
    if (comment.start < start || comment.end > end) continue;
    text += `${code.slice(from, comment.start)} `;
    from = comment.end;
  }
  text = (text + code.slice(from, end)).replace(/\s*[\r\n\u2028\u2029]\s*/g, " ");
  if (root.type === "import" && format === "commonjs") text = text.replace(/\bawait\s+import\s*\(/, `${namespaceOf}(`);
  if (root.type === "require" && root.helper) {
    text = text.replace(
      new RegExp(`(?:[\\w$]+\\s*\\.\\s*)?${root.helper}\\s*\\(`),
      () => `${helperText(root.helper!)}(`,
    );
  }
  // Some loaders lend ES modules a `require`.
  if (root.type === "require" && format === "module" && unbound)
    text = text.replace(/\brequire\s*\(/, `${requireHere}(`);
  return `${declaration} ${text};`;
}

/** What `await import` gives, got by `require`, as a CommonJS module cannot await at its top level. */
const namespaceOf =
  "((specifier) => { const it = require(specifier); " +
  'return it?.[Symbol.toStringTag] === "Module" ? it : Object.assign({ __proto__: null }, it, { default: it }); })';

const requireHere = 'globalThis.process.getBuiltinModule("node:module").createRequire(import.meta.url)';
