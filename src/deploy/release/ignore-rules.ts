/**
 * Which files of a project are left out: by its `.gitignore` files, by its `.tinderboxignore` files, which are stronger and in the same
 * language, and because they commonly hold secrets, unless a line of `.tinderboxignore` that begins with `!` brings them back.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { cannotPack } from "./error.ts";
import { askLines, type IgnoreLine, ignoreLines } from "./ignore-line.ts";
import { secretPatterns } from "./secrets.ts";

export type Verdict = "kept" | "ignored" | "secret" | "git";

/** Those of one file, which speak of what is below its folder. */
interface Lines {
  /** From that folder to the one that is packed: empty, or ends in a slash. */
  readonly above: string;
  /** From the one that is packed to that folder: empty, or ends in a slash. */
  readonly below: string;
  readonly lines: readonly IgnoreLine[];
}

export interface IgnoreRules {
  /** Rules for what is in a folder: these, and those of its own files. `names` are what is in it. */
  within(path: string, names: ReadonlySet<string>): IgnoreRules;
  /** About something in the folder that these are for; `path` is relative to what is packed. */
  judge(path: string, isFolder: boolean): Verdict;
}

export interface RulesOptions {
  /** False for packages: what their authors do not commit is often what they publish. Default: true. */
  readonly git?: boolean;
}

interface Known {
  readonly root: string;
  readonly git: readonly Lines[] | undefined;
  readonly own: readonly Lines[];
}

const gitFile = ".gitignore";
const ownFile = ".tinderboxignore";
const secrets = ignoreLines(secretPatterns.join("\n"), "iu");
/** Of the tools that keep versions: no application reads them. */
const versioning = new Set([".git", ".hg", ".svn", ".jj"]);

/** Rules for the folder `root`, with those of the folders that it is in, up to where its repository begins. */
export function ignoreRules(root: string, { git = true }: RulesOptions = {}): IgnoreRules {
  const above: Lines[] = [];
  const top = git ? repositoryOf(root) : undefined;
  for (let folder = root; top !== undefined && folder !== top;) {
    folder = dirname(folder);
    const file = join(folder, gitFile);
    const way = `${relative(folder, root).split(sep).join("/")}/`;
    if (existsSync(file)) above.unshift({ above: way, below: "", lines: read(file, relative(root, file)) });
  }
  return rulesOf({ root, git: git ? above : undefined, own: [] });
}

function rulesOf({ root, git, own }: Known): IgnoreRules {
  return {
    within(path, names) {
      const add = (lines: readonly Lines[], name: string): readonly Lines[] => {
        if (!names.has(name)) return lines;
        const file = join(root, path, name);
        return [...lines, { above: "", below: path && `${path}/`, lines: read(file, relative(root, file)) }];
      };
      return rulesOf({ root, git: git && add(git, gitFile), own: add(own, ownFile) });
    },
    judge(path, isFolder) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (versioning.has(name)) return "git";
      const asked = verdict(own, path, isFolder);
      if (asked !== undefined) return asked ? "ignored" : "kept";
      // Told of as a secret even where git ignores it: people want to know that it is not there.
      if (askLines(secrets, name, isFolder)) return "secret";
      return verdict(git ?? [], path, isFolder) ? "ignored" : "kept";
    },
  };
}

/** The deepest file that speaks of it has the last word. */
function verdict(files: readonly Lines[], path: string, isFolder: boolean): boolean | undefined {
  for (const { above, below, lines } of files.toReversed()) {
    const said = askLines(lines, above + path.slice(below.length), isFolder);
    if (said !== undefined) return said;
  }
  return undefined;
}

function read(file: string, path: string): readonly IgnoreLine[] {
  try {
    return ignoreLines(readFileSync(file, "utf8"));
  } catch (cause) {
    throw cannotPack(path, "it cannot be read, and says what is left out; make it readable", cause);
  }
}

/** The folder of the repository that `folder` is in. */
function repositoryOf(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (dirname(at) === at) return undefined;
  }
}
