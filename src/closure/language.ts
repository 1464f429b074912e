/** Which language a file is in, told by its name, and its syntax tree. */

import type { ParseResult } from "oxc-parser";
import { loadParser } from "./parser.ts";

type Language = "jsx" | "ts" | "tsx";

export interface Parsed {
  readonly typescript: boolean;
  /** Nothing when neither the name nor the syntax tells. */
  readonly format: "module" | "commonjs" | undefined;
  readonly program: ParseResult["program"];
  readonly comments: ParseResult["comments"];
}

const extension = /\.([cm]?)(js|jsx|ts|tsx)$/i;

/** Nothing for a file with a syntax error: whoever runs it says so better. */
export function parseFile(code: string, id: string, format?: "module" | "commonjs"): Parsed | null {
  const [, prefix = "", suffix = "js"] = extension.exec(id.replace(/[?#].*$/s, "")) ?? [];
  const typescript = suffix.toLowerCase().startsWith("ts");
  const language: Language = suffix.toLowerCase() === "tsx" ? "tsx" : typescript ? "ts" : "jsx";
  const named = prefix.toLowerCase() === "c" ? "commonjs" : prefix === "" ? undefined : "module";
  const wanted = format ?? named;
  const attempt = (sourceType: "module" | "commonjs" | "unambiguous"): ParseResult | null => {
    const result = loadParser().parseSync(`file.${language}`, code, { lang: language, sourceType });
    return result.errors.some((error) => error.severity === "Error") ? null : result;
  };
  let result = attempt(wanted ?? "unambiguous");
  if (result === null && wanted !== "module") result = attempt(wanted === undefined ? "commonjs" : "module");
  if (result === null) return null;
  const { program } = result;
  const byContent = result.module.hasModuleSyntax && program.sourceType === "module" ? "module" : undefined;
  return { typescript, format: wanted ?? byContent, program, comments: result.comments };
}
