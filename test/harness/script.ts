import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { whenTestEnds, whenTestFails } from "./hooks.ts";
import { scriptFolder } from "./script-folder.ts";
import { until, type UntilOptions } from "./until.ts";

export interface ScriptOptions {
  readonly args?: readonly string[];
  /** Added to the cleaned environment of the test; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Node's own flags, before the script. `--conditions=tinderbox-source` is always there. */
  readonly execArgv?: readonly string[];
  readonly cwd?: string;
  /** Written to the script's stdin, which is then closed. Without it stdin is empty. */
  readonly input?: string;
  /** Milliseconds until the script is killed and the test fails. @default 15000 */
  readonly timeout?: number;
  /** It is not ended with the test that runs now: for tests side by side, which cannot be told apart. @default false */
  readonly outlivesTest?: boolean;
  /** Kills the script; its result then has `signal: "SIGKILL"`. */
  readonly signal?: AbortSignal;
}

export interface ScriptResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface RunningScript {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the script has ended and its pipes are closed; rejects at the deadline. */
  readonly finished: Promise<ScriptResult>;
  /** Waits for a match in stdout. */
  see(pattern: RegExp, options?: UntilOptions): Promise<RegExpMatchArray>;
  kill(signal?: NodeJS.Signals): void;
}

/** Runs a file, or a piece of TypeScript in a folder of its own, to its end on this Node. Any exit code is a result. */
export function runScript(pathOrCode: string, options: ScriptOptions = {}): Promise<ScriptResult> {
  return startScript(pathOrCode, options).finished;
}

/** As `runScript`, for tests that watch or kill the script while it runs. */
export function startScript(pathOrCode: string, options: ScriptOptions = {}): RunningScript {
  const { args = [], execArgv = [], timeout = 15_000, cwd, input, signal } = options;
  const isPath = /^[^\n]+\.[cm]?[jt]sx?$/.test(pathOrCode);
  const file = isPath ? pathOrCode : join(scriptFolder({ "main.ts": pathOrCode }), "main.ts");
  const started = performance.now();
  const child = spawn(process.execPath, ["--conditions=tinderbox-source", ...execArgv, file, ...args], {
    cwd,
    env: environment(options.env),
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  // A script may end before it has read its input.
  child.stdin?.on("error", () => undefined).end(input);

  let ended = false;
  const text = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text.stderr += chunk));
  const shown = () => `--- ${file}, pid ${child.pid}\n--- stdout\n${text.stdout}\n--- stderr\n${text.stderr}\n---`;

  const finished = new Promise<ScriptResult>((resolve, reject) => {
    const deadline = setTimeout(() => {
      child.kill("SIGKILL");
      // Pipes that a grandchild holds open would keep "close" away for ever.
      child.stdout?.destroy();
      child.stderr?.destroy();
      reject(new Error(`Cannot finish the script: it still runs after ${timeout} ms\n${shown()}`));
    }, timeout);
    const abort = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    child.once("error", reject);
    child.once("close", (code, killedBy) => {
      ended = true;
      clearTimeout(deadline);
      signal?.removeEventListener("abort", abort);
      resolve({ code, signal: killedBy, ...text, durationMs: performance.now() - started });
    });
  });
  // Who never awaits `finished` learns of the deadline from the test's own.
  finished.catch(() => undefined);

  if (!options.outlivesTest) whenTestFails(() => console.error(shown()));
  const end = options.outlivesTest ? () => undefined : whenTestEnds;
  end(async () => {
    child.kill("SIGKILL");
    await finished.catch(() => undefined);
  });

  return {
    pid: child.pid ?? -1,
    child,
    finished,
    kill: (name = "SIGTERM") => child.kill(name),
    see(pattern, wait) {
      const look = () => {
        const found = text.stdout.match(pattern);
        if (!found && ended) throw new Error(`Cannot see ${String(pattern)}: the script has ended\n${shown()}`);
        return found;
      };
      return until(`${String(pattern)} in the output of ${file}`, look, wait);
    },
    get stdout() {
      return text.stdout;
    },
    get stderr() {
      return text.stderr;
    },
  };
}

/** What a program would see outside a test: nothing of vitest's, and no file of certificates to read at every start. */
function environment(added: ScriptOptions["env"] = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(VITEST|NODE_V8_|npm_)|^(TEST|NODE_ENV|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|DEV|PROD|SSR|MODE)$/.test(name),
  );
  return Object.fromEntries([...inherited, ...Object.entries(added)].filter(([, value]) => value !== undefined));
}
