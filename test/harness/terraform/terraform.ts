/** Runs terraform on copies of `terraform/`, offline, with our own stand-in for the AWS provider. */
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { whenTestEnds } from "../hooks.ts";
import { testRun } from "../run.ts";
import { repository } from "../script-folder.ts";
import { type Provider, startProvider } from "./provider.ts";

/** Why terraform cannot be run here; undefined where it can. */
export function absence(): string | undefined {
  try {
    const version = /Terraform v(\d+)\.(\d+)/.exec(
      execFileSync("terraform", ["-version"], { stdio: "pipe", env: environment({}), encoding: "utf8" }),
    );
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
    return major > 1 || minor >= 11 ? undefined : `its tests need terraform 1.11, here is ${version?.[0]}`;
  } catch (error) {
    return `terraform does not run: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  }
}

export interface Ended {
  readonly code: number | null;
  /** What was printed, on both channels, without colours and with white space as single blanks. */
  readonly output: string;
}

export class Workspace {
  readonly folder: string;
  readonly #provider: Provider;

  private constructor(folder: string, provider: Provider) {
    this.folder = folder;
    this.#provider = provider;
  }

  /** A copy of a folder, initialised in those below it. Its provider ends with `close`. @default `terraform/`, as root and as module */
  static async open(source = join(repository, "terraform"), roots = ["", modulePath]): Promise<Workspace> {
    const folder = mkdtempSync(join(testRun.folder, "terraform-"));
    cpSync(source, folder, { recursive: true });
    const workspace = new Workspace(folder, await startProvider(testRun.folder));
    for (const where of roots) {
      const { code, output } = await workspace.run(where, "init", "-input=false");
      if (code !== 0) throw new Error(`Cannot initialise ${source}/${where}:\n${output}`);
    }
    return workspace;
  }

  /** Another copy with one file changed: `from`, which has to be there exactly once, becomes `to`. */
  changed(path: string, from: string, to: string): Workspace {
    const folder = mkdtempSync(join(testRun.folder, "terraform-"));
    cpSync(this.folder, folder, { recursive: true });
    const file = join(folder, path);
    const text = readFileSync(file, "utf8");
    if (text.split(from).length !== 2) throw new Error(`Cannot change ${path}: it does not hold this once: ${from}`);
    writeFileSync(
      file,
      text.replace(from, () => to),
    );
    return new Workspace(folder, this.#provider);
  }

  /** Runs one command of terraform in a folder below the copy. */
  async run(where: string, command: string, ...args: string[]): Promise<Ended> {
    const child = spawn("terraform", [command, "-no-color", ...args], {
      cwd: join(this.folder, where),
      env: environment(this.#provider.environment),
      stdio: ["ignore", "pipe", "pipe"],
    });
    whenTestEnds(() => void child.kill("SIGKILL"));
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, output: output.replace(/[\s│╷╵]+/g, " ") }));
    });
  }

  close(): void {
    this.#provider.close();
  }
}

export const modulePath = "modules/tinderbox";

function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  // A configuration of the user's could name mirrors and plug-ins; variables of theirs could be ours.
  const own = Object.entries(process.env).filter(([name]) => !/^(TF_|AWS_)/.test(name));
  return {
    ...Object.fromEntries(own),
    ...more,
    CHECKPOINT_DISABLE: "1",
    TF_IN_AUTOMATION: "1",
    TF_CLI_CONFIG_FILE: "/dev/null",
  };
}
