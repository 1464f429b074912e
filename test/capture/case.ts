/** One row of the table of what travels: a small module, and what its `run()` gives in every front end. */

/** What sets front ends apart. A case names those in which it cannot apply. */
export type Trait =
  /** Only stamps count: what no transform has seen is unknown. */
  | "stamps"
  /** Only the inspector counts. */
  | "inspector"
  /** The text that runs is not the text of the file. */
  | "compiled"
  /** esbuild compiles each file as it is loaded. */
  | "tsx"
  /** All modules have become one or a few. */
  | "bundle"
  /** Each function that may travel is a file of its own. */
  | "chunks"
  /** Names are shortened. */
  | "minified"
  /** Types are taken out before the module is written. */
  | "javascript"
  /** Runs in a thread of its own. */
  | "worker"
  /** Vite's own module runner, in vitest. */
  | "vitest";

export interface Refused {
  readonly message: RegExp;
  /** From the closure to the culprit, the captured variable first. */
  readonly path?: readonly (string | number)[];
  /** The code frame points at the last place in the source where this text stands. */
  readonly at?: string;
}

export interface Case {
  readonly family: string;
  readonly name: string;
  /** The module. It exports `run`; `import { flame } from "tinderbox"` comes before it unless it has its own. */
  readonly source: string;
  readonly language: "ts" | "cjs";
  /** Further files of its folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly expected?: unknown;
  readonly refused?: Refused;
  /** Reasons why it cannot apply where a trait is. */
  readonly notIn: Partial<Record<Trait, string>>;
  /** Bugs that wait for their repair: it must fail in the front end of this name, or where this trait is. */
  readonly broken: Partial<Record<string, string>>;
  /** Applies only where the trait is. */
  readonly onlyIn?: { readonly trait: Trait; readonly because: string };
}

type Extra = Partial<Pick<Case, "language" | "files" | "notIn" | "broken" | "onlyIn">>;

export interface Family {
  readonly cases: readonly Case[];
  works(name: string, source: string, expected: unknown, extra?: Extra): void;
  refuses(name: string, source: string, refused: Refused, extra?: Extra): void;
}

export function family(title: string): Family {
  const cases: Case[] = [];
  const add = (name: string, source: string, outcome: Pick<Case, "expected" | "refused">, extra: Extra = {}): void => {
    const one: Case = {
      family: title,
      name,
      source: withImport(source, extra.language),
      language: "ts",
      files: {},
      notIn: {},
      broken: {},
      ...extra,
      ...outcome,
    };
    cases.push(one);
  };
  return {
    cases,
    works: (name, source, expected, extra) => add(name, source, { expected }, extra),
    refuses: (name, source, refused, extra) => add(name, source, { refused }, extra),
  };
}

function withImport(source: string, language: Case["language"] = "ts"): string {
  const text = source.replace(/^\n/, "");
  if (/from "tinderbox"|require\("tinderbox"\)/.test(text)) return text;
  return language === "cjs"
    ? `const { flame } = require("tinderbox");\n${text}`
    : `import { flame } from "tinderbox";\n${text}`;
}

/** Folder name of a case, the same in every front end. */
export function slugOf({ family: title, name }: Case): string {
  return `${title}-${name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
}
