/** Types out, positions kept: Node's own eraser, which is already loaded in a process that runs TypeScript. */
import { stripTypeScriptTypes } from "node:module";
import { CaptureError } from "../errors.ts";

let warned = false;

/** JavaScript of a TypeScript module. Throws `CaptureError` for syntax that does not simply disappear. */
export function stripTypes(source: string, url: string): string {
  const { emitWarning } = process;
  // Node announces its eraser as experimental the first time; that is no news for the user of this package.
  if (!warned) process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source, { mode: "strip" });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new CaptureError(`Cannot send code of ${url}: ${reason}; use syntax that can be erased`, { cause: error });
  } finally {
    process.emitWarning = emitWarning;
    warned = true;
  }
}
