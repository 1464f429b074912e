import { execFile } from "node:child_process";

const commandMs = 20_000;

export interface CommandOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until it is killed and the call fails. @default 20000 */
  readonly timeout?: number;
}

/** Runs a program to its end and returns what it printed. Rejects, with what it complained of, unless it ends with 0. */
export function command(name: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { input, env = {}, timeout = commandMs } = options;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const all = { PATH: path, LC_ALL: "C", ...env };
  const child = execFile(
    name,
    args,
    { env: all, timeout, killSignal: "SIGKILL", maxBuffer: 2 ** 24 },
    (error, stdout, stderr) => {
      if (error) reject(new Error(`Cannot run ${name} ${args.join(" ")}: ${stderr.trim() || error.message}`));
      else resolve(stdout);
    },
  );
  // A program may end before it has read its input.
  child.stdin?.on("error", () => undefined).end(input);
  return promise;
}

/** Where the tools of a Debian are, also where the caller's PATH leaves the system folders out. */
export const path = "/usr/sbin:/usr/bin:/sbin:/bin";

/** Runs lines of `ip`: all up to the first that fails, or, forced, all. */
export async function ip(lines: readonly string[], { force = false } = {}): Promise<void> {
  await command("ip", [...(force ? ["-force"] : []), "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
