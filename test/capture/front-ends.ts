/** Every way in which a closure gets from its source to a runner, and how to start all cases in each. */
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { symlinkSync } from "node:fs";
import { deserialize } from "node:v8";
import { repository, scriptFolder } from "../harness/script-folder.ts";
import { startScript } from "../harness/script.ts";
import { type Bundler, bundle } from "./bundlers.ts";
import { type Case, type Trait, slugOf } from "./case.ts";

export interface FrontEnd {
  readonly name: string;
  readonly traits: readonly Trait[];
  readonly capture: "transform" | "runtime" | undefined;
  readonly execArgv?: readonly string[];
  /** Extension of the file that is started. @default "ts" */
  readonly entry?: "ts" | "cjs";
  readonly bundler?: Bundler;
}

const register = ["--import", "tinderbox/register"];
const tsx = ["--import", "tsx"];

export const frontEnds: readonly FrontEnd[] = [
  { name: "load hook", traits: ["stamps"], capture: "transform", execArgv: register },
  { name: "load hook, JavaScript", traits: ["stamps", "javascript"], capture: "transform", execArgv: register },
  { name: "load hook, worker thread", traits: ["stamps", "worker"], capture: "transform", execArgv: register },
  { name: "load hook, CommonJS entry", traits: ["stamps"], capture: "transform", execArgv: register, entry: "cjs" },
  {
    name: "load hook over tsx",
    traits: ["stamps", "tsx", "compiled"],
    capture: "transform",
    execArgv: [...tsx, ...register],
  },
  { name: "runtime", traits: ["inspector"], capture: "runtime" },
  { name: "runtime, worker thread", traits: ["inspector", "worker"], capture: "runtime" },
  { name: "runtime, CommonJS entry", traits: ["inspector"], capture: "runtime", entry: "cjs" },
  { name: "runtime under tsx", traits: ["inspector", "tsx", "compiled"], capture: "runtime", execArgv: tsx },
  { name: "no flag, JavaScript", traits: ["inspector", "javascript"], capture: undefined },
];

export const bundles: readonly FrontEnd[] = [
  { name: "vite build", traits: ["stamps", "bundle", "chunks", "compiled"], capture: "transform", bundler: "vite" },
  {
    name: "vite build, minified",
    traits: ["stamps", "bundle", "chunks", "compiled", "minified"],
    capture: "transform",
    bundler: "vite-minified",
  },
  { name: "rolldown", traits: ["stamps", "bundle", "chunks", "compiled"], capture: "transform", bundler: "rolldown" },
  {
    name: "rolldown, minified",
    traits: ["stamps", "bundle", "chunks", "compiled", "minified"],
    capture: "transform",
    bundler: "rolldown-minified",
  },
  { name: "esbuild", traits: ["stamps", "bundle", "compiled"], capture: "transform", bundler: "esbuild" },
  {
    name: "esbuild, minified",
    traits: ["stamps", "bundle", "compiled", "minified"],
    capture: "transform",
    bundler: "esbuild-minified",
  },
  {
    name: "esbuild, CommonJS",
    traits: ["stamps", "bundle", "compiled"],
    capture: "transform",
    bundler: "esbuild-commonjs",
    entry: "cjs",
  },
];

export const inVitest: FrontEnd = { name: "vitest", traits: ["stamps", "vitest"], capture: "transform" };

/** What became of one case. */
export interface Outcome {
  readonly slug: string;
  readonly value?: unknown;
  readonly error?: {
    readonly name: string;
    readonly code?: string;
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly at?: string;
    readonly stack: string;
    /** `CaptureError.is` said so. */
    readonly capture: boolean;
  };
  /** Runners that the case booted or began to boot. */
  readonly boots: number;
}

/** Why a case does not apply, or undefined when it does. */
export function inapplicable(one: Case, { traits, entry }: FrontEnd): string | undefined {
  if (one.onlyIn && !traits.includes(one.onlyIn.trait)) return one.onlyIn.because;
  for (const trait of traits) if (one.notIn[trait] !== undefined) return one.notIn[trait];
  if (traits.includes("javascript") && one.language === "ts" && one.onlyIn) return "has no JavaScript form";
  if (traits.includes("tsx") && traits.includes("stamps") && one.language === "cjs")
    return "tsx loads CommonJS past all load hooks";
  if (traits.includes("bundle") && one.language === "cjs" && entry !== "cjs")
    return "ES modules that come out of a bundler cannot require the package";
  if (entry === "cjs" && one.language !== "cjs") return "an ES module has its own front ends";
  return undefined;
}

export interface Ran {
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly code: number | null;
  /** What the process printed besides the outcomes. */
  readonly output: string;
}

/** Runs all cases that apply in one process. Refused ones come first, while no runner has booted. */
export async function runCases(cases: readonly Case[], frontEnd: FrontEnd): Promise<Ran> {
  const chosen = cases
    .filter((one) => inapplicable(one, frontEnd) === undefined)
    .toSorted((a, b) => Number(Boolean(b.refused)) - Number(Boolean(a.refused)));
  const { folder, entry } = writeFolder(chosen, frontEnd);
  const built = frontEnd.bundler ? await bundle(frontEnd.bundler, folder, entry) : entry;
  const outcomes = new Map<string, Outcome>();
  const script = startScript(join(folder, built), {
    cwd: folder,
    execArgv: frontEnd.execArgv ?? [],
    env: { TINDERBOX_CAPTURE: frontEnd.capture },
    timeout: 180_000,
  });
  const ended = await script.finished.catch(() => undefined);
  const { stdout, stderr } = script;
  for (const [, text] of stdout.matchAll(/^@case (.*)$/gm)) {
    const { value, ...rest } = JSON.parse(text!) as Outcome & { value?: string };
    outcomes.set(rest.slug, {
      ...rest,
      ...(value === undefined ? {} : { value: deserialize(Buffer.from(value, "base64")) as unknown }),
    });
  }
  return {
    outcomes,
    code: ended?.code ?? null,
    output: `${stdout.replace(/^@case .*\n/gm, "").replace(/\n+/g, "\n")}\n${stderr}`.slice(-6000),
  };
}

/** Reads where the text of a case stands, as stack traces say it. */
export function placeOf({ source }: Case, text: string): string {
  const offset = source.lastIndexOf(text);
  if (offset < 0) throw new Error(`Cannot find ${text} in the case`);
  const before = source.slice(0, offset);
  return `:${before.split("\n").length}:${offset - before.lastIndexOf("\n")}`;
}

/** Writes the modules of all cases into a folder of their own, with an entry that runs them. */
export function writeFolder(
  cases: readonly Case[],
  { traits, entry = "ts" }: FrontEnd,
): { folder: string; entry: string } {
  const files: Record<string, string> = {};
  const plain = traits.includes("javascript");
  const write = (name: string, text: string): void => {
    if (!plain || !name.endsWith(".ts")) files[name] = text;
    else files[name.replace(/\.ts$/, ".js")] = stripTypeScriptTypes(text).replace(/\.ts(["`])/g, ".js$1");
  };
  const list: string[] = [];
  for (const one of cases) {
    const slug = slugOf(one);
    const index = `cases/${slug}/index.${one.language}`;
    write(index, one.source);
    for (const [name, text] of Object.entries(one.files)) write(`cases/${slug}/${name}`, text);
    const file = JSON.stringify(`./${plain ? index.replace(/\.ts$/, ".js") : index}`);
    const load = entry === "cjs" ? `() => require(${file})` : `() => import(${file})`;
    list.push(`  { slug: ${JSON.stringify(slug)}, load: ${load} },`);
  }
  const head =
    entry === "cjs"
      ? `const { CaptureError, pool } = require("tinderbox");\nconst { serialize } = require("node:v8");\nconst { writeSync } = require("node:fs");`
      : `import { CaptureError, pool } from "tinderbox";\nimport { serialize } from "node:v8";\nimport { writeSync } from "node:fs";`;
  files[`entry.${entry}`] =
    `${head}\nconst cases = [\n${list.join("\n")}\n];\n${entry === "cjs" ? "" : "await "}${runner}`;
  files["worker.ts"] =
    `import { Worker } from "node:worker_threads";\nnew Worker(new URL("./entry.ts", import.meta.url)).on("exit", (code) => { process.exitCode = code; });\n`;
  const folder = scriptFolder(files);
  symlinkSync(join(repository, "node_modules/tsx"), join(folder, "node_modules/tsx"), "dir");
  return { folder, entry: traits.includes("worker") ? "worker.ts" : `entry.${entry}` };
}

/** Plain JavaScript, the same in both kinds of module. One line of output for each case, whatever becomes of it. */
const runner = `(async () => {
  const all = pool("default", { max: 1 });
  const booted = () => { const { runners, boots } = all.stats(); return runners.booting + boots.ok + boots.failed; };
  const tell = (line) => { for (let rest = Buffer.from("\\n@case " + line + "\\n"); rest.length > 0; ) { try { rest = rest.subarray(writeSync(1, rest)); } catch (error) { if (error.code !== "EAGAIN") throw error; } } };
  for (const { slug, load } of cases) {
    const outcome = { slug, boots: 0 };
    let timer;
    const before = booted();
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("The case takes more than 5 s")), 5000); });
    try {
      const loading = load();
      const work = loading.run ?? (await loading).run;
      outcome.value = serialize(await Promise.race([work(), late])).toString("base64");
    } catch (error) {
      const { name, code, message, path, at, stack } = Object(error);
      outcome.error = { name, code, message: message ?? String(error), path, at, stack, capture: CaptureError.is(error) };
    }
    clearTimeout(timer);
    outcome.boots = booted() - before;
    tell(JSON.stringify(outcome));
  }
})();
`;
