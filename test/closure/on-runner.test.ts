/** Closures that are captured on a runner, and run on another: `flame` inside of `flame`, without its messages. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type FrontEnd, bundles, frontEnds } from "../capture/front-ends.ts";
import { bundle } from "../capture/bundlers.ts";
import { repository, scriptFolder } from "../harness/script-folder.ts";
import { runScript } from "../harness/script.ts";

const programs = join(repository, "test/closure/on-runner");
const legs = pathToFileURL(join(programs, "legs.ts")).href;

interface Outcome {
  readonly name: string;
  readonly value?: unknown;
  readonly error?: string;
}

/** Runs the cases of an application, and gives each by its name. */
async function runApplication(files: readonly string[], { bundler, capture, execArgv = [] }: FrontEnd) {
  const texts = files.map((name) => [name, readFileSync(join(programs, name), "utf8")] as const);
  const folder = scriptFolder(Object.fromEntries(texts));
  const entry = bundler ? await bundle(bundler, folder, files[0]!) : files[0]!;
  const { stdout, stderr } = await runScript(join(folder, entry), {
    cwd: folder,
    // The source of a bundled entry is no entry.
    args: bundler ? [legs, "entry"] : [legs],
    execArgv,
    env: { TINDERBOX_CAPTURE: capture },
    timeout: 60_000,
  });
  const found = new Map<string, Outcome>();
  for (const [, text] of stdout.matchAll(/^@case (.*)$/gm)) {
    const outcome = JSON.parse(text!) as Outcome;
    found.set(outcome.name, outcome);
  }
  const value = (name: string): unknown => {
    const outcome = found.get(name) ?? { name, error: `no such case\n${stdout}\n${stderr}` };
    if (outcome.error !== undefined) throw new Error(outcome.error);
    return outcome.value;
  };
  return { value, url: (name: string) => pathToFileURL(join(folder, name)).href };
}

type Application = Awaited<ReturnType<typeof runApplication>>;

const called = (...names: readonly string[]): FrontEnd[] =>
  [...frontEnds, ...bundles].filter(({ name }) => names.includes(name));

/** Line and column of a text that the application has once. */
function placeOf(text: string): string {
  const before = readFileSync(join(programs, "app.ts"), "utf8").split(text)[0]!;
  return `${before.split("\n").length}:${before.length - before.lastIndexOf("\n")}`;
}

describe.each(called("runtime", "load hook"))("$name", (frontEnd) => {
  let app: Application;
  beforeAll(async () => {
    app = await runApplication(["app.ts", "jobs.ts", "shapes.ts"], frontEnd);
  }, 60_000);

  test("variables of the outer closure and what it captured travel on, shared objects stay shared", () => {
    expect(app.value("variables")).toEqual([true, 5, 3, 40]);
  });

  test("functions of the same file and of the outer closure travel on", () => {
    expect(app.value("code")).toEqual([192, 41, 41, 134, 120]);
  });

  test("imports are made by the next runner, as seen from the file that wrote them", () => {
    expect(app.value("imports")).toEqual([true, true, true, app.url("app.ts")]);
  });

  test("instances stay instances of the classes that the closure sees there", () => {
    expect(app.value("instances")).toEqual([[2, true, true, true, 4], [true, 40], [true, true, true, 41], true]);
  });

  test("instances that come back belong to the classes of the runner that asked, and further on of the parent", () => {
    expect(app.value("identity")).toEqual([[true, true, true, true, true, true], true]);
  });

  test("statics of a class that captures hold between calls there", () => {
    expect(app.value("state")).toBe(-1);
  });

  if (frontEnd.traits.includes("stamps")) {
    test("what a class used while it was being defined travels on, though nothing keeps it", () => {
      expect(app.value("early")).toEqual(["constructor", "40th"]);
    });
  }

  test("what this runner was sent travels on under its own number", () => {
    expect(app.value("declared")).toEqual(["helper"]);
    expect(app.value("root")).toBe(41);
    expect(app.value("modules")).toEqual([
      [true, expect.stringMatching(/^modules\.<\d+>\.<\d+>$/), app.url("app.ts")],
      [true, expect.stringMatching(/^modules\.<\d+>\.Local$/), app.url("app.ts")],
      [false, "helper", app.url("app.ts")],
      [false, "Point", app.url("app.ts")],
    ]);
  });

  test("closures are captured on runner after runner", () => {
    expect(app.value("again")).toEqual([40, true]);
    expect(app.value("deeper")).toEqual([12, true, 192, 40]);
  });

  test("an error has the user's own file and line", () => {
    const place = `${app.url("app.ts")}:${placeOf("new RangeError(reason)")}`;
    expect(app.value("stack")).toEqual(["RangeError", "on purpose", `    at ${place}`]);
  });

  test("a refusal shows the user's own line", () => {
    const at = `${app.url("app.ts")}:${placeOf("total = 2")}`;
    expect(app.value("refusal")).toEqual([
      "CaptureError",
      expect.stringMatching(/assigns to the captured variable `total`[^]*pack\(\(\) => \(total = 2\)\); \/\/ refused/),
      at,
      1,
    ]);
  });

  test("the application's entry file stays shut", () => {
    expect(app.value("entry")).toMatch(/^Cannot import .*app\.ts: it is the application's entry file/);
  });

  test("closures of a module that the runner has imported by itself travel", () => {
    expect(app.value("native")).toEqual([7, 21, "job!", true, true, app.url("jobs.ts")]);
    expect(app.value("nativeImports")).toEqual([true, true]);
    expect(app.value("nativeIdentity")).toBe(true);
  });
});

describe.each(called("rolldown", "rolldown, minified", "esbuild, minified"))("$name", (frontEnd) => {
  let app: Application;
  beforeAll(async () => {
    app = await runApplication(["app.ts", "jobs.ts", "shapes.ts"], frontEnd);
  }, 60_000);

  test("closures that are captured in the output travel on", () => {
    expect(app.value("variables")).toEqual([true, 5, 3, 40]);
    expect(app.value("code")).toEqual([192, 41, 41, 134, 120]);
    expect(app.value("imports")).toEqual([true, true, true, expect.stringMatching(/^file:/)]);
    expect(app.value("instances")).toMatchObject([
      [2, true, true, true, 4],
      [true, 40],
      [true, true, true, 41],
      expect.anything(),
    ]);
    expect(app.value("deeper")).toEqual([12, true, 192, 40]);
    expect(app.value("native")).toEqual([7, 21, "job!", true, true, expect.stringMatching(/^file:/)]);
  });

  test("instances that come back belong to the classes of the runner that asked, and further on of the parent", () => {
    expect(app.value("identity")).toEqual([[true, true, true, true, true, true], true]);
    expect(app.value("nativeIdentity")).toBe(true);
  });
});

describe.each(called("runtime, CommonJS entry", "load hook, CommonJS entry"))("$name", (frontEnd) => {
  test("closures that are captured in a CommonJS module travel on, and their instances come back", async () => {
    const app = await runApplication(["app.cjs", "shapes.cjs"], frontEnd);
    const path = (name: string): string => app.url(name).replace("file://", "");
    expect(app.value("travels")).toEqual([
      [true, true, true],
      true,
      312,
      [path("app.cjs"), path("shapes.cjs")],
      `    at ${path("app.cjs")}:35:9`,
    ]);
    expect(app.value("comesBack")).toEqual([true, true, true]);
  });
});
