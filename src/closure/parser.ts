/** The parser, loaded at its first use: it costs a process 20 ms, and bundled applications and runners hardly ever parse. */
import { createRequire } from "node:module";
import { CaptureError } from "../errors.ts";

type Parser = typeof import("oxc-parser");

let parser: Parser | undefined;

/** Throws `CaptureError` where native addons are not allowed. */
export function loadParser(): Parser {
  try {
    return (parser ??= createRequire(import.meta.url)("oxc-parser") as Parser);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new CaptureError(
      `Cannot read source files: the parser cannot be loaded (${reason}); under --permission add --allow-addons`,
      { cause },
    );
  }
}
