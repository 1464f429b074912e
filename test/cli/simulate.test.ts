import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { drainWithin, slots } from "../../src/pool/scale.ts";
import { generate, resolveGenerator } from "../../src/pool/simulation/generate.ts";
import { measure } from "../../src/pool/simulation/measure.ts";
import { seeded } from "../../src/pool/simulation/random.ts";
import { resolveServiceTimes } from "../../src/pool/simulation/service-times.ts";
import { simulate as simulatePool } from "../../src/pool/simulation/simulate.ts";
import { repository, scriptFolder } from "../harness/script-folder.ts";
import { type ScriptResult, runScript } from "../harness/script.ts";
import { elementsOf } from "./xml.ts";

const main = join(repository, "src/cli/main.ts");

function tinderbox(args: readonly string[], cwd?: string): Promise<ScriptResult> {
  return runScript(main, { args, timeout: 30_000, ...(cwd === undefined ? {} : { cwd }) });
}

const simulate = (args: string, cwd?: string): Promise<ScriptResult> =>
  tinderbox(["simulate", ...args.split(" ").filter(Boolean)], cwd);

interface Report {
  readonly trace: { readonly calls: number; readonly service: string };
  readonly world: { readonly seed: number };
  readonly notes: readonly string[];
  readonly results: readonly {
    readonly strategy: string;
    readonly idleMs: number | null;
    readonly launches: number;
    readonly runnerSeconds: number;
    readonly cost: number;
    readonly noWait: number;
    readonly waitSeconds: { readonly p95: number };
  }[];
}

async function report(args: string, cwd?: string): Promise<Report> {
  const { stdout, stderr, code } = await simulate(`${args} --json`, cwd);
  expect({ stderr: stderr.replace(/^note: .*\n/gm, ""), code }).toEqual({ stderr: "", code: 0 });
  return JSON.parse(stdout) as Report;
}

describe("the table", () => {
  test("says what was simulated, and compares strategies in aligned columns", async () => {
    const { stdout, stderr, code } = await simulate("--trace poisson:5/s:10m --slots 4 --price 0.1 --idle 60s,5m");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(stdout).toMatch(/^trace {3}poisson:5\/s:10m: [\d,]+ calls in 10 m, 1 s each on average \(exp:1s\)$/m);
    expect(stdout).toContain("pool    4 slots a runner, min 0, max 100, spare 0\n");
    expect(stdout).toContain("boots   20 s; each runner is paid for 1 m at least\n");
    expect(stdout).toMatch(/^ideal {3}[\d,]+ runner-seconds, if every slot were busy all the time$/m);
    expect(stdout).toContain("seed    1\n");
    const [title, ...rows] = stdout.split("\n\n")[1]!.split("\n");
    expect(title).toMatch(
      /^strategy +idle +launches +most +runner-s +cost +no wait +p50 wait +p95 wait +p99 wait +longest$/,
    );
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 2))).toEqual([
      ["flame", "30 s"],
      ["slots", "1 m"],
      ["slots", "5 m"],
      ["drain:5s", "1 m"],
      ["drain:5s", "5 m"],
    ]);
    expect(new Set([title, ...rows].map((row) => row!.length)).size).toBe(1);
    expect(stdout).toContain("flame: FLAME's rule");
  });

  test("is the same for the same seed, and another for another one", async () => {
    const args = "--trace bursty:2/s:20m --service lognormal:1s:2 --boot-jitter 0.3 --boot-failures 0.1";
    const [once, again, other] = await Promise.all([simulate(args), simulate(args), simulate(`${args} --seed 2`)]);
    expect(again.stdout).toBe(once.stdout);
    expect(other.stdout).not.toBe(once.stdout);
    expect(once.stdout).toContain("boots   20 s, 30 % more or less, 10 % of them fail;");
    expect(once.stdout).toMatch(/^strategy .* launches +failed /m);
    expect(other.stdout).toContain("seed    2\n");
  });
});

describe("--json", () => {
  test("holds the same for programs, an endless keep-alive as null", async () => {
    const found = await report(
      "--trace poisson:5/s:10m --price 3.6 --strategy drain:2s --strategy=fixed:3 --idle Infinity",
    );
    expect(found.trace.service).toBe("exp:1s");
    expect(found.world.seed).toBe(1);
    expect(found.results.map(({ strategy, idleMs }) => [strategy, idleMs])).toEqual([
      ["drain:2s", null],
      ["fixed:3", null],
    ]);
    for (const { cost, runnerSeconds } of found.results) expect(cost).toBeCloseTo(runnerSeconds / 1_000, 9);
  });

  test("holds what the pool does by these options, and by FLAME's rule in its own way", async () => {
    const random = seeded(5);
    const trace = generate(resolveGenerator("bursty:5/s:30m:4", ""), resolveServiceTimes("exp:2s", ""), random);
    const found = await report(
      "--trace bursty:5/s:30m:4 --service exp:2s --seed 5 --strategy flame,drain:3s --idle 2m --slots 3 --min 1 --max 40 " +
        "--spare 5 --lifetime 20m --boot 7s --boot-jitter 0.2 --boot-failures 0.05 --billing-floor 30s --price 2",
    );
    const common = { min: 1, max: 40, slotsPerRunner: 3, lifetimeMs: 1_200_000, singleUse: false };
    const pools = [
      { ...common, idleMs: 30_000, spare: 0, spread: true, scale: slots() },
      { ...common, idleMs: 120_000, spare: 5, scale: drainWithin("3s") },
    ];
    const world = { bootMs: 7_000, bootJitter: 0.2, bootFailures: 0.05, seed: 5 };
    const tariff = { billingFloorMs: 30_000, pricePerHour: 2 };
    for (const [at, pool] of pools.entries()) {
      expect(found.results[at]).toMatchObject(measure(simulatePool(trace, pool, world), tariff));
    }
  });

  test("notes what was mended or assumed, which the table tells beside itself", async () => {
    const folder = scriptFolder({ "calls.csv": "at,took\n3,1\n1,1\n2,1\n" });
    const notes = [
      "timestamps are numbers and were taken as seconds; --unit ms if they are not",
      "1 of 3 timestamps came before the one above them; all were sorted",
    ];
    const found = await report("--trace calls.csv", folder);
    expect(found).toMatchObject({ trace: { name: "calls.csv", calls: 3, serviceSeconds: 3 }, notes });
    const { stderr } = await simulate("--trace calls.csv", folder);
    expect(stderr).toBe(notes.map((note) => `note: ${note}\n`).join(""));
  });

  test("a trace of Azure's is understood as it is", async () => {
    const lines = Array.from({ length: 50 }, (_, at) => `2023-11-16 18:17:${10 + at}.9799600,4808,${at}`);
    const text = `TIMESTAMP,ContextTokens,GeneratedTokens\r\n${lines.join("\r\n")}\r\n`;
    const folder = scriptFolder({ "azure.csv": text });
    const found = await report("--trace azure.csv --slots 2", folder);
    expect(found.trace).toMatchObject({ calls: 50, service: "0.5+0.02*GeneratedTokens", lengthMs: 49_000 });
    expect(found.results).toHaveLength(3);
  });

  test("a strategy of one's own is a module", async () => {
    const folder = scriptFolder({
      "mine.ts": "export default (found: { queued: number }): number => (found.queued > 0 ? 2 : 1);\n",
      "none.ts": "export const scale = 1;\n",
      "broken.ts": "export default () => NaN;\n",
    });
    const found = await report("--trace poisson:5/s:1m --strategy ./mine.ts", folder);
    expect(found.results).toEqual([expect.objectContaining({ strategy: "mine.ts", launches: 2 })]);
    const refused = await Promise.all(
      ["./none.ts", "./missing.ts", "./broken.ts"].map((file) =>
        simulate(`--trace poisson:5/s:1m --strategy ${file}`, folder),
      ),
    );
    expect(refused.map(({ code }) => code)).toEqual([1, 1, 1]);
    expect(refused[0]!.stderr).toContain("Cannot use ./none.ts as --strategy: its default export is no function");
    expect(refused[1]!.stderr).toContain("Cannot load the strategy ./missing.ts: ");
    expect(refused[2]!.stderr).toContain("Cannot scale the pool: its strategy gave NaN");
  });
});

test("--plot draws queue, runners and waits as an SVG that can be read in the light and in the dark", async () => {
  const folder = scriptFolder({ "a<b&c.csv": "0,1\n0,1\n0,1\n600,2\n" });
  const { stdout, code } = await simulate("--trace a<b&c.csv --idle 30s,60s --plot out.svg", folder);
  expect(code).toBe(0);
  expect(stdout).toContain("drain:5s");
  const svg = readFileSync(join(folder, "out.svg"), "utf8");
  const elements = elementsOf(svg);
  expect(elements[0]).toMatchObject({ name: "svg", attributes: { xmlns: "http://www.w3.org/2000/svg" } });
  const texts = elements.filter(({ name }) => name === "text").map(({ text }) => text);
  for (const text of [
    "a<b&c.csv",
    "flame, idle 30 s",
    "slots, idle 30 s",
    "drain:5s, idle 1 m",
    "Calls that wait",
    "Runners, booting ones included",
    "Longest wait of the calls that came at that time, seconds",
    "time of the trace",
  ]) {
    expect(texts).toContain(text);
  }
  // A line for each of five cases in each of three panels, and its mark in the legend.
  expect(elements.filter(({ attributes }) => attributes["class"]?.startsWith("line "))).toHaveLength(20);
  expect(svg).toContain("@media (prefers-color-scheme: dark)");
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});

describe("what a person may get wrong", () => {
  test.each([
    ["", "Cannot simulate without calls: --trace calls.csv or --trace poisson:10/s:1h is wanted"],
    ["--trace missing.csv", "Cannot read the trace: ENOENT: no such file or directory, open 'missing.csv'"],
    ["--trace", "Cannot use --trace without a value"],
    [
      "--trace poisson:1/s:1m --bot 1s",
      'Cannot use option "bot" of tinderbox simulate: it does not exist; did you mean "boot"?',
    ],
    ["--trace poisson:1/s:1m out.svg", 'Cannot use "out.svg" of tinderbox simulate: each value follows its option'],
    ["--trace poisson:1/s:1m --slots 0", "Cannot use 0 as --slots: a whole number from 1 is wanted"],
    ["--trace poisson:1/s:1m --max many", 'Cannot use "many" as --max: a whole number from 1 is wanted'],
    ["--trace poisson:1/s:1m --min 5 --max 4", "Cannot use 5 as --min: it is above --max, which is 4"],
    ["--trace poisson:1/s:1m --boot 20", 'Cannot use "20" as --boot: a duration is'],
    ["--trace poisson:1/s:1m --idle 1m,", "Cannot use an empty value as --idle"],
    ["--trace poisson:1/s:1m --strategy fast", 'Cannot use "fast" as --strategy: slots, drain:5s, fixed:10, flame'],
    ["--trace poisson:1/s:1m --strategy drain:fast", 'Cannot use "fast" as the duration of drainWithin()'],
    ["--trace poisson:1/s:1m --strategy fixed:0", "calls wait and the strategy wants no runner for them"],
    ["--trace poisson:1/s:1m --service soon:1", 'Cannot use "soon:1" as --service: wanted is "1s" for all'],
    ["--trace poisson:1/s:1m --service 2*Tokens", "a trace that is made up has no column Tokens"],
    [
      "--trace poisson:1/s:1m --boot-failures 1",
      'Cannot use "1" as --boot-failures: a number from 0, below 1, is wanted',
    ],
    ["--trace poisson:1/s:1m --price -1", 'Cannot use "-1" as --price: a number from 0 is wanted'],
    ["--trace poisson:1/s:1m --unit h", 'Cannot use "h" as --unit: s or ms is wanted'],
    ["--trace poisson:1/s:1m --plot missing/out.svg", "Cannot write the plot: ENOENT"],
  ])("%j is told in one line", async (args, message) => {
    const { stdout, stderr, code } = await simulate(args, scriptFolder({}));
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^tinderbox simulate: Cannot [^\n]*\n$/);
    expect({ stdout, code }).toEqual({ stdout: "", code: 1 });
  });

  test("a line that is none is told with its number", async () => {
    const folder = scriptFolder({ "calls.csv": "time,took\n1,1\nsoon,1\n" });
    const { stderr, code } = await simulate("--trace calls.csv", folder);
    expect(stderr).toBe(
      'tinderbox simulate: Cannot read line 3 of calls.csv: "soon" is no time; a number, as before, is wanted\n',
    );
    expect(code).toBe(1);
  });
});

describe("help", () => {
  test("of the command names each option, within the width of a terminal", async () => {
    const { stdout, code } = await simulate("--help");
    expect(code).toBe(0);
    for (const option of [
      "trace",
      "service",
      "strategy",
      "idle",
      "slots",
      "boot",
      "boot-failures",
      "price",
      "json",
      "plot",
    ])
      expect(stdout).toContain(`--${option}`);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(stdout).not.toMatch(/ $/m);
    expect(stdout).not.toContain("\u001b");
  });

  test("of the program names its commands, and without one it fails", async () => {
    const { stdout, code } = await tinderbox(["--help"]);
    expect(stdout).toContain("simulate");
    expect(code).toBe(0);
    const none = await tinderbox([]);
    expect(none.stdout).toBe(stdout);
    expect(none.code).toBe(1);
    const unknown = await tinderbox(["simulat"]);
    expect(stripVTControlCharacters(unknown.stderr)).toBe("Unknown command simulat\n");
    expect(unknown.code).toBe(1);
  });

  test("--version is the package's", async () => {
    const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { version: string };
    expect((await tinderbox(["--version"])).stdout).toBe(`${version}\n`);
  });
});

test("the package's bin is what the source is built to, and starts Node", () => {
  const { bin } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { bin: Record<string, string> };
  expect(bin).toEqual({ tinderbox: "dist/src/cli/main.js" });
  expect(existsSync(main)).toBe(true);
  expect(readFileSync(main, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
});
