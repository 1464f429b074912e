/** An application as users have them: a folder of its own, in which the package is installed as npm would do it. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { repository } from "../script-folder.ts";

export interface Application {
  readonly folder: string;
  /** For the caches of whoever runs it; they are not a part of it. */
  readonly home: string;
  remove(): void;
}

/** What its package.json names beside the package itself. */
const usual = ["@aws-sdk/client-ec2", "@aws-sdk/client-s3"];

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Makes one with these files, besides its package.json, and with these packages of the repository.
 */
export function makeApplication(
  files: Readonly<Record<string, string>>,
  packages: readonly string[] = usual,
): Application {
  const above = realpathSync(mkdtempSync(join(tmpdir(), "tinderbox-application-")));
  const folder = join(above, "app");
  const modules = join(folder, "node_modules");
  mkdirSync(modules, { recursive: true });
  const manifest = {
    name: "application",
    version: "1.0.0",
    type: "module",
    dependencies: Object.fromEntries(["tinderbox", ...packages].map((name) => [name, "*"])),
  };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const own = join(modules, "tinderbox");
  mkdirSync(own);
  // Scripts of tests run with the condition for sources, which are not there.
  const published = readFileSync(join(repository, "package.json"), "utf8").replaceAll("tinderbox-source", "not-here");
  writeFileSync(join(own, "package.json"), published);
  build(join(own, "dist"));
  const { dependencies = {} } = packageAt(repository);
  const seen = new Set<string>();
  for (const name of [...Object.keys(dependencies), ...packages]) install(name, repository, modules, seen);
  return { folder, home: above, remove: () => rmSync(above, { recursive: true, force: true }) };
}

/** As `npm run build` does it, elsewhere. */
function build(folder: string): void {
  const run = (command: string): void =>
    void execFileSync("/bin/sh", ["-c", command], { cwd: repository, stdio: "pipe" });
  const { scripts } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
    scripts: { build: string };
  };
  const command = scripts.build.replace("tsconfig.build.json", `tsconfig.build.json --outDir ${folder}`);
  run(`PATH=${join(repository, "node_modules/.bin")}:$PATH; ${command.replaceAll(/(?<=[ =])dist\//g, `${folder}/`)}`);
}

/** Flat, as npm lays it out where versions agree. */
function install(name: string, from: string, modules: string, seen: Set<string>): void {
  if (seen.has(name)) return;
  seen.add(name);
  const source = find(name, from);
  if (source === undefined) return;
  cpSync(source, join(modules, name), {
    recursive: true,
    dereference: true,
    filter: (path) => path === source || !path.slice(source.length).includes("/node_modules/"),
  });
  const { dependencies, optionalDependencies } = packageAt(source);
  for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) install(next, source, modules, seen);
}

function find(name: string, from: string): string | undefined {
  const paths = createRequire(join(from, "package.json")).resolve.paths(name) ?? [];
  return paths.map((path) => join(path, name)).find((path) => existsSync(join(path, "package.json")));
}

function packageAt(folder: string): Package {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Package;
}
