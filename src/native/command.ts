/** Which file a command is: told before anything is started, so that the error can say what was looked for. */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { CommandError } from "../errors.ts";
import { show } from "../options.ts";

/**
 * The absolute path of a command: a name is looked up on `path`, anything with a slash is taken from `cwd`.
 *
 * @throws CommandError when there is no such file, or it must not be executed.
 */
export function findCommand(command: string, path: string | undefined, cwd: string): string {
  const refuse = (what: string, fix: string): never => {
    throw new CommandError(`Cannot start ${show(command)}: ${what}; ${fix}`, { command });
  };
  if (command === "" || command.includes("\0")) refuse("it is no name of a program", "give a name or a path");
  if (command.includes("/")) {
    const file = isAbsolute(command) ? command : resolve(cwd, command);
    const found = kindOf(file);
    if (found === "missing") refuse(`${file} does not exist`, "check the path");
    if (found === "folder") refuse(`${file} is a folder`, "give the path of a file");
    if (found === "denied") refuse(`${file} is not executable`, "run chmod +x on it");
    return file;
  }
  const folders = (path ?? "").split(delimiter).filter(Boolean);
  let denied: string | undefined;
  for (const folder of folders) {
    const file = join(resolve(cwd, folder), command);
    const found = kindOf(file);
    if (found === "program") return file;
    if (found === "denied") denied ??= file;
  }
  if (denied !== undefined) refuse(`${denied} is not executable`, "run chmod +x on it");
  return refuse(folders.length === 0 ? "PATH is empty" : "it is in no folder of PATH", "install it, or give its path");
}

function kindOf(file: string): "program" | "denied" | "folder" | "missing" {
  try {
    if (statSync(file).isDirectory()) return "folder";
  } catch {
    return "missing";
  }
  try {
    accessSync(file, constants.X_OK);
    return "program";
  } catch {
    return "denied";
  }
}
