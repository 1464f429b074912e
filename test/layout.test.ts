import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type House, violations } from "./harness/layout.ts";
import { repository } from "./harness/script-folder.ts";

/** Where everything belongs. A new file or folder gets its line here first. */
const house: House = {
  levels: {
    // 4 roots: entry points and what composes the rest
    "src/index.ts": 4,
    "src/flame/": 4,
    "src/runtime.ts": 4,
    "src/programs.ts": 4,
    "src/supervise.ts": 4,
    "src/services.ts": 4,
    "src/lifecycle.ts": 4,
    "src/pools.ts": 4,
    "src/store.ts": 4,
    "src/ec2.ts": 4,
    "src/ec2-account.ts": 4,
    "src/container.ts": 4,
    "src/release.ts": 4,
    "src/inspection.ts": 4,
    "src/trace.ts": 4,
    "src/plugin.ts": 4,
    "src/register.ts": 4,
    "src/stamp.ts": 4,
    "src/testing.ts": 4,
    "src/testing/": 4,
    "src/cli/": 4,
    "src/dashboard/": 4,
    "runners/": 4,
    // 3 services
    "src/pool/": 3,
    "src/deploy/": 3,
    // 2 domains
    "src/closure/": 2,
    "src/supervisor/": 2,
    "src/native/": 2,
    "src/wire/": 2,
    "src/live/": 2,
    "src/store/": 2,
    "src/config/": 2,
    // 2i implementations: only a root may choose one
    "src/backends/": "2i",
    "src/clock.ts": "2i",
    "src/transport/": "2i",
    "src/store/drivers/": "2i",
    // 1 ports
    "src/ports/": 1,
    // 0 leaves
    "src/backoff.ts": 0,
    "src/context.ts": 0,
    "src/duration.ts": 0,
    "src/errors.ts": 0,
    "src/hash.ts": 0,
    "src/keys.ts": 0,
    "src/lines.ts": 0,
    "src/mark.ts": 0,
    "src/proc.ts": 0,
    "src/options.ts": 0,
    "src/print.ts": 0,
    "src/scratch.ts": 0,
    "src/waiters.ts": 0,
    "src/events/": 0,
    "src/value/": 0,
    "src/waiting.ts": 0,
  },
  sideways: [
    { from: "src/native/", to: "src/supervisor/", because: "a native program is a supervised child" },
    { from: "src/index.ts", to: "src/flame/", because: "the entry names what the folder makes" },
    { from: "src/testing.ts", to: "src/testing/", because: "the entry names what the folder makes" },
    {
      from: "src/testing/",
      to: "runners/",
      because: "a machine within the process of a test runs what any machine does",
    },
    { from: "src/live/", to: "src/wire/", because: "a reference is what its messages say" },
    { from: "src/cli/", to: "src/ec2.ts", because: "what the command does is for programs, too" },
    { from: "src/cli/", to: "src/release.ts", because: "a release is found where the command has brought it" },
    { from: "src/deploy/", to: "src/pool/", because: "a rollout replaces the runners of a pool" },
  ],
  never: [
    { from: "runners/", to: "src/pool/", because: "a runner knows frames, not who sent them; share src/wire/" },
    { from: "runners/", to: "src/index.ts", because: "it would load every service of the parent on each runner" },
    { from: "src/pool/", to: "runners/", because: "a pool knows frames, not who answers them; share src/wire/" },
  ],
  only: [{ from: "src/stamp.ts", to: ["src/closure/"], because: "each transformed module loads it" }],
  modules: [
    { name: /^@aws-sdk\//, in: ["src/backends/ec2/sdk.ts", "src/store/drivers/s3.ts", "src/cli/"] },
    // The guard opens no socket: it reads one that it inherited, in a thread where no connection is wanted.
    { name: /^node:(net|tls|dgram)$/, in: ["src/transport/", "runners/guard.ts"] },
    { name: /^(node:child_process|execa)$/, in: ["src/native/", "src/backends/", "src/testing/", "runners/"] },
    { name: /^node:(timers|timers\/promises|perf_hooks)$/, in: ["src/clock.ts"] },
  ],
  // The guard is a thread of its own and judges the event loop that the clock belongs to.
  time: ["src/clock.ts", "runners/guard.ts"],
  size: { median: 120, long: 400 },
  self: (specifier) =>
    /^tinderbox(\/|$)/.test(specifier) ? `src/${specifier.split("/")[1] ?? "index"}.ts` : undefined,
};

const check = (files: Record<string, string>) => violations(new Map(Object.entries(files)), house);
const lines = (count: number, header = "") => `${header}\n${"export {};\n".repeat(count)}`;

test("the sources keep to the layout", () => {
  const paths = ["src", "runners"].flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  );
  const sources = paths.filter((path) => /\.[cm]?[jt]s$/.test(path));
  const files = new Map(sources.map((path) => [path, readFileSync(join(repository, path), "utf8")]));
  expect(violations(files, house).map(({ rule, file, message }) => `${rule}: ${file} ${message}`)).toEqual([]);
});

describe("each rule of the layout bites", () => {
  const empty = "export {};";
  const bites: [name: string, rule: string, files: Record<string, string>][] = [
    ["a file without a place", "place", { "src/stray.ts": empty }],
    ["an import from outside", "place", { "src/errors.ts": 'import "../test/harness/until.ts";' }],
    ["an upward import", "level", { "src/wire/a.ts": 'import "../pool/b.ts";', "src/pool/b.ts": empty }],
    ["an upward type import", "level", { "src/ports/a.ts": 'import type { B } from "../wire/b.ts";' }],
    ["an upward import() type", "level", { "src/ports/a.ts": 'export type A = import("../wire/b.ts").B;' }],
    ["an upward export from", "level", { "src/errors.ts": 'export * from "./ports/b.ts";' }],
    ["an upward dynamic import", "level", { "src/wire/a.ts": 'await import("../pool/b.ts");' }],
    ["an upward import by the package's name", "level", { "src/pool/a.ts": 'import { flame } from "tinderbox";' }],
    ["a sideways import", "level", { "src/wire/a.ts": 'import "../closure/b.ts";' }],
    ["a sideways import between roots", "level", { "src/cli/a.ts": 'import "../dashboard/b.ts";' }],
    ["a service that chooses an implementation", "level", { "src/pool/a.ts": 'import "../backends/local.ts";' }],
    ["a store that chooses its driver", "level", { "src/store/a.ts": 'import "./drivers/s3.ts";' }],
    ["an implementation that uses a domain", "level", { "src/transport/a.ts": 'import "../wire/b.ts";' }],
    ["a cycle", "cycle", { "src/wire/a.ts": 'import "./b.ts";', "src/wire/b.ts": 'import type {} from "./a.ts";' }],
    ["a runner that knows the pool", "never", { "runners/agent.ts": 'import "../src/pool/a.ts";' }],
    ["a pool that knows the runner", "never", { "src/pool/a.ts": 'import "../../runners/agent.ts";' }],
    ["a stamp that loads more than closures", "only", { "src/stamp.ts": 'import "./pool/a.ts";' }],
    ["AWS outside its backend", "module", { "src/pool/a.ts": 'await import("@aws-sdk/client-ec2");' }],
    ["a socket outside transport", "module", { "src/pool/a.ts": 'import type { Socket } from "node:net";' }],
    ["a socket by require", "module", { "src/pool/a.ts": 'require("tls");' }],
    ["a process outside native", "module", { "src/pool/a.ts": 'process.getBuiltinModule("node:child_process");' }],
    ["a timer module", "module", { "src/pool/a.ts": 'import "node:timers/promises";' }],
    ["a timer", "time", { "src/pool/a.ts": "setTimeout(() => undefined, 1);" }],
    ["a timer passed on", "time", { "src/pool/a.ts": "export const clock = { setTimeout };" }],
    ["a look at the clock", "time", { "src/pool/a.ts": "export const now = () => Date.now();" }],
    ["a new Date", "time", { "src/pool/a.ts": "export const now = () => new Date();" }],
    ["a long file", "size", { "src/errors.ts": lines(401), "src/options.ts": empty, "src/duration.ts": empty }],
    ["long files in general", "size", { "src/errors.ts": lines(120) }],
  ];
  test.each(bites)("%s", (_name, rule, files) => {
    expect(check(files)).toEqual([expect.objectContaining({ rule })]);
  });

  const allowed: [name: string, files: Record<string, string>][] = [
    ["downward imports", { "src/pool/a.ts": 'import "../wire/b.ts"; import type {} from "../ports/clock.ts";' }],
    ["a leaf that uses a file of its level", { "src/value/a.ts": 'import "../errors.ts";' }],
    ["a root that chooses an implementation", { "src/index.ts": 'import "./backends/local.ts";' }],
    ["a listed pair", { "src/native/a.ts": 'import "../supervisor/b.ts";' }],
    ["imports within a folder", { "src/wire/a.ts": 'import "./b.ts";', "src/wire/b.ts": empty }],
    [
      "a name in a comment or a string",
      { "src/pool/a.ts": '// import "node:net"\nexport const a = `import "node:net"`;' },
    ],
    ["a method of a clock", { "src/pool/a.ts": "declare const clock: any; clock.setTimeout(1); new Date(5);" }],
    [
      "a long file that says why",
      { "src/errors.ts": lines(401, "// long because"), "src/options.ts": empty, "src/duration.ts": empty },
    ],
  ];
  test.each(allowed)("and %s are allowed", (_name, files) => {
    expect(check(files)).toEqual([]);
  });
});

/** Paths of the machine at hand and hosts of package registries. Put together, so that this file does not name them. */
const forbidden = [
  ...["work", "root"].map((name) => `/${name}/`),
  repository,
  ...["npmjs.org", "yarnpkg.com", "npmmirror.com"].map((name) => `registry.${name}`),
];

/** The first forbidden name in a text. A path counts where it begins, so `${folder}/work/` does not. */
function foreignName(text: string): string | undefined {
  return forbidden.find((name) => {
    for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
      if (!/[\w.~})*-]/.test(text[at - 1] ?? " ")) return true;
    }
    return false;
  });
}

test("nothing in the repository names a place on the machine it was written on", ({ skip }) => {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  let files: string[];
  try {
    files = execFileSync("git", list, { cwd: repository, encoding: "utf8", stdio: "pipe" }).split("\0").filter(Boolean);
  } catch {
    return skip("this is not a git checkout");
  }
  const named = files
    .filter((file) => existsSync(join(repository, file)))
    .map((file) => ({ file, bytes: readFileSync(join(repository, file)) }))
    .filter(({ bytes }) => !bytes.subarray(0, 8_000).includes(0))
    .map(({ file, bytes }) => ({ file, names: foreignName(bytes.toString()) }))
    .filter(({ names }) => names !== undefined);
  expect(named).toEqual([]);
});

test.each(forbidden)("%s would be noticed", (name) => {
  for (const before of ["", '"', "file://", "https://", "cd "])
    expect(foreignName(`x\n${before}${name}x`)).toBeDefined();
  expect(foreignName(`./a${name}`)).toBeUndefined();
});
