/**
 * What `analyse` says of one source file: plain data, so that a bundler plugin can write it into its output as JSON.
 * A "unit" is one function or class of the file, the smallest thing that travels as code.
 */

export interface FileAnalysis {
  /** `true` when the file has TypeScript syntax to strip before its text can run. */
  readonly typescript: boolean;
  readonly format: "module" | "commonjs";
  /** In order of `start`; a unit's position here is its index. */
  readonly units: readonly UnitInfo[];
  readonly imports: readonly ImportInfo[];
}

export interface UnitInfo {
  readonly kind: "arrow" | "function" | "class" | "method" | "getter" | "setter";
  /** `declaration`: a statement; `expression`; `property`: a method or accessor of an object literal; `member`: of a class body. */
  readonly form: "declaration" | "expression" | "property" | "member";
  /** Own name, else the name the language infers (`const f = () => 1` is "f"), else "". */
  readonly name: string;
  /** Names of the enclosing named units and this one, joined by "."; unnamed ones count as `<index>`. Class identity. */
  readonly path: string;
  /** Source range of the text that is code. For `property` and `member`: of the whole method definition. */
  readonly start: number;
  readonly end: number;
  /** Index of the closest enclosing unit, -1 at module level. */
  readonly parent: number;
  readonly free: readonly FreeName[];
  /** Why this unit cannot travel; the first is reported. */
  readonly issues: readonly Issue[];
  /** A class or function declaration, any class, or the initializer of a never reassigned `const`: evaluated once per runner when pure. */
  readonly declared: boolean;
  /** Reaches no captured value: every free name is an import or another pure unit. False when it has issues. */
  readonly pure: boolean;
  /** The code around it is strict: by its module, a class, or a directive outside of the unit's own text. */
  readonly strict: boolean;
  /** For a `property` whose key is computed: range of the key and its brackets. The key belongs to the code around the unit. */
  readonly computedKey?: readonly [start: number, end: number];
}

/** A name that a unit uses and does not declare itself. Globals are not listed; types are not listed. */
export type FreeName = {
  readonly name: string;
  /** Offset of the first use inside the unit. */
  readonly at: number;
  /** Offset of the declaration. */
  readonly declaredAt: number;
  /** Needed while the unit is being defined (heritage, computed key, static field or block, decorator), not only when it is called. */
  readonly early: boolean;
} & (
  | { readonly kind: "import"; readonly import: number }
  /** A constant binding to another function or class of this file (or to this one itself). */
  | { readonly kind: "unit"; readonly unit: number }
  | { readonly kind: "value" }
);

export interface ImportInfo {
  /** The local name. */
  readonly local: string;
  readonly at: number;
  readonly specifier: string;
  /** Exported name, "default", or "*" for the namespace. */
  readonly imported: string;
  /**
   * Text that makes this binding, alone, in a module at the same URL:
   * `import { a as b } from "./x.ts" with { type: "json" };` or, for `require` and `await import`, the whole
   * declaration as written, `const { a: b } = require("./x");` (all its names are then made by the same text).
   */
  readonly text: string;
  /** Index of the import that `text` makes first and builds upon: the `createRequire` or the `require` made by it. */
  readonly after?: number;
}

export interface Issue {
  readonly at: number;
  readonly code:
    | "this"
    | "super"
    | "arguments"
    | "new.target"
    | "private"
    | "assignment"
    | "eval"
    | "enum"
    | "namespace"
    | "decorator"
    | "jsx"
    | "parameter-property"
    | "with"
    | "import-assignment"
    | "member";
  /** The identifier or keyword concerned. */
  readonly name: string;
}
