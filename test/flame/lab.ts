/** What the tests of calls on real runners share: calls that wait for a word, handshakes by file, and looks at processes. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Backend, type FlameOptions, type Pool, flame } from "tinderbox";
import { localBackend } from "../../src/backends/local.ts";
import { listenUnix } from "../../src/transport/unix.ts";
import { testRun } from "../harness/run.ts";
import { scriptFolder } from "../harness/script-folder.ts";
import { type UntilOptions, until } from "../harness/until.ts";

/** The error of a call that has to fail. */
export async function failure(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const end = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in end) return end.error as Error & Record<string, unknown>;
  throw new Error(`Cannot see the call fail: it gave ${JSON.stringify(end.value)}`);
}

/** A folder through which test, parent and runners tell each other how far they are. */
export interface Room {
  readonly folder: string;
  path(name: string): string;
  /** Gives a word that others wait for. */
  say(name: string, text?: string): void;
  heard(name: string): boolean;
  /** Waits for a file that is complete, and gives its lines. */
  hear(name: string, options?: UntilOptions): Promise<string[]>;
  lines(name: string): string[];
  names(): string[];
}

export function room(): Room {
  const folder = mkdtempSync(join(testRun.folder, "room-"));
  const path = (name: string): string => join(folder, name);
  const heard = (name: string): boolean => existsSync(path(name));
  const lines = (name: string): string[] =>
    heard(name) ? readFileSync(path(name), "utf8").split("\n").slice(0, -1) : [];
  return {
    folder,
    path,
    heard,
    lines,
    say: (name, text = "") => writeFileSync(path(name), `${text}\n`),
    hear: (name, options) => until(`"${name}"`, () => lines(name).length > 0 && lines(name), options),
    names: () => readdirSync(folder).toSorted(),
  };
}

export interface Waiter {
  /** Its process, once it runs. */
  readonly running: Promise<number>;
  /** Its process, once it has been let go. */
  readonly done: Promise<number>;
  /** Lets it finish. */
  end(): void;
}

/** A call that runs until it is let go, or aborted. */
export function wait(own: Pool, options: FlameOptions = {}): Waiter {
  const { path, say } = room();
  const gate = path("go");
  const { promise: running, resolve: started, reject: never } = Promise.withResolvers<number>();
  const done = flame(
    async ({ progress, signal }) => {
      progress(process.pid);
      while (!existsSync(gate) && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10));
      return process.pid;
    },
    { timeout: "1m", ...options, pool: own, onProgress: (pid) => started(pid as number) },
  );
  // A call that ends before it runs must not leave its test waiting for the test's own deadline.
  done.catch(never);
  running.catch(() => {});
  return { running, done, end: () => say("go") };
}

/** Local runners whose agent is another program. */
export function broken(program: string): Backend {
  return localBackend({
    agent: pathToFileURL(join(scriptFolder({ "agent.mjs": program }), "agent.mjs")),
    listen: listenUnix,
  });
}

/** A zombie has ended; only its exit code waits to be read. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

export async function gone(pid: number, options?: UntilOptions): Promise<void> {
  await until(`the end of process ${pid}`, () => !alive(pid), options);
}
