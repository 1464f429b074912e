/**
 * Lines of `.gitignore` files, as git understands them. Each is asked about one path and says nothing of what is below it: whether a folder
 * that is left out is looked into at all is for who walks.
 */

export interface IgnoreLine {
  /** It begins with `!`. */
  readonly brings: boolean;
  readonly foldersOnly: boolean;
  /** It is about the whole path from the file's folder on, not about the last name of it. */
  readonly anchored: boolean;
  readonly pattern: RegExp;
}

/** All lines of a file that say something, in their order. */
export function ignoreLines(text: string, flags: "u" | "iu" = "u"): IgnoreLine[] {
  return text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .flatMap((line) => compiled(line, flags) ?? []);
}

/** True for left out, false for brought back, undefined when no line speaks of it; the last one that does decides. */
export function askLines(lines: readonly IgnoreLine[], path: string, isFolder: boolean): boolean | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const last = lines.findLast(
    ({ foldersOnly, anchored, pattern }) => (isFolder || !foldersOnly) && pattern.test(anchored ? path : name),
  );
  return last && !last.brings;
}

function compiled(line: string, flags: string): IgnoreLine | undefined {
  if (line.startsWith("#")) return undefined;
  // Blanks at the end count when the last of them is escaped.
  let text = line.replace(/((?:^|[^\\])(?:\\\\)*(?:\\ )?) +$/, "$1");
  const brings = text.startsWith("!");
  if (brings) text = text.slice(1);
  const foldersOnly = text.endsWith("/");
  if (foldersOnly) text = text.slice(0, -1);
  if (text === "") return undefined;
  const anchored = text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
  const source = sourceOf(text, anchored);
  // What git cannot make sense of matches nothing.
  return source === undefined
    ? undefined
    : { brings, foldersOnly, anchored, pattern: new RegExp(`^${source}$`, `s${flags}`) };
}

/** The expression of a whole pattern. No wildcard goes beyond a slash, but for two stars that stand between slashes. */
function sourceOf(text: string, anchored: boolean): string | undefined {
  let source = "";
  for (let at = 0; at < text.length;) {
    const before = at;
    const character = String.fromCodePoint(text.codePointAt(at)!);
    at += character.length;
    if (character === "*") {
      while (text[at] === "*") at++;
      const many = anchored && at - before > 1 && (before === 0 || text[before - 1] === "/");
      if (many && at === text.length) source += ".+";
      else if (many && text[at] === "/") {
        source += "(?:.*/)?";
        at++;
      } else source += "[^/]*";
    } else if (character === "?") source += "[^/]";
    else if (character === "[") {
      const found = set(text, at);
      if (!found) return undefined;
      source += found.source;
      at = found.end;
    } else if (character === "\\") {
      if (at === text.length) return undefined;
      const escaped = String.fromCodePoint(text.codePointAt(at)!);
      at += escaped.length;
      source += literal(escaped);
    } else source += literal(character);
  }
  return source;
}

const classes: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
  space: "\\s",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

/** What stands between brackets, from behind the opening one. */
function set(text: string, start: number): { readonly source: string; readonly end: number } | undefined {
  let at = start;
  const negated = text[at] === "!" || text[at] === "^";
  if (negated) at++;
  let source = "";
  for (let first = true; ; first = false) {
    const named = /^\[:([a-z]*):\]/.exec(text.slice(at));
    if (named) {
      const known = classes[named[1]!];
      if (known === undefined) return undefined;
      source += known;
      at += named[0].length;
      continue;
    }
    if (text[at] === "]" && !first) break;
    const from = one(text, at);
    if (!from) return undefined;
    at = from.end;
    if (text[at] !== "-" || text[at + 1] === "]" || at + 1 >= text.length) {
      source += literal(from.character);
      continue;
    }
    const to = one(text, at + 1);
    if (!to) return undefined;
    at = to.end;
    // A range that goes backwards is empty.
    if (to.character.codePointAt(0)! >= from.character.codePointAt(0)!)
      source += `${literal(from.character)}-${literal(to.character)}`;
  }
  if (source === "") return { source: negated ? "[^/]" : "(?!)", end: at + 1 };
  return { source: negated ? `[^/${source}]` : `(?!/)[${source}]`, end: at + 1 };
}

function one(text: string, at: number): { readonly character: string; readonly end: number } | undefined {
  const start = text[at] === "\\" ? at + 1 : at;
  const code = text.codePointAt(start);
  if (code === undefined) return undefined;
  const character = String.fromCodePoint(code);
  return { character, end: start + character.length };
}

/** Escapes are allowed for everything that has a meaning in some place of an expression. */
function literal(character: string): string {
  return /[\w\s]/.test(character) || character > "\x7f" ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}
