import { join } from "node:path";
import { expect, test } from "vitest";
import { runScript } from "../harness/script.ts";
import { scriptFolder } from "../harness/script-folder.ts";

const major = Number(process.versions.node.split(".")[0]);
const allowed = [
  "--permission",
  "--allow-fs-read=*",
  "--allow-fs-write=*",
  "--allow-child-process",
  ...(major >= 25 ? ["--allow-net"] : []),
];
const app = `
import { flame } from "tinderbox";
const n = 20;
console.log(await flame(() => n + 1).catch((error) => [error.code, error.message, error.cause?.code].join("\\n")));
`;

const addons = "--allow-addons";
const worker = "--allow-worker";
const run = async (...flags: string[]) => {
  const folder = scriptFolder({ "app.ts": app });
  const { stdout } = await runScript(join(folder, "app.ts"), { cwd: folder, execArgv: [...allowed, ...flags] });
  return stdout.trim();
};

test("without a flag, --permission says what is missing", async () => {
  expect(await run(addons)).toMatch(
    /^ERR_TINDERBOX_CAPTURE\nCannot look into a closure at run time: the inspector is not available under --permission; add --allow-inspector, or start with --import tinderbox\/register\nERR_ACCESS_DENIED$/,
  );
});

// The parser is an addon, and src/closure/syntax.ts loads it with the package.
test("without --allow-addons too, it says so", async () => {
  expect(await run()).toMatch(/^ERR_TINDERBOX_CAPTURE\n.*--allow-/);
});

// The runner ends with exit code 0 and without a word, because its guard is a thread.
test("without --allow-worker, it says so", async () => {
  expect(await run(addons, "--import", "tinderbox/register")).toMatch(/--allow-worker/);
});

test("with the load hook, --permission asks for nothing more", async () => {
  expect(await run(addons, worker, "--import", "tinderbox/register")).toBe("21");
});

test.skipIf(!process.allowedNodeEnvironmentFlags.has("--allow-inspector"))(
  "with --allow-inspector, no flag of ours is needed",
  async () => {
    expect(await run(addons, worker, "--allow-inspector")).toBe("21");
  },
);
