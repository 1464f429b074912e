/** An application with native code of npm's: packed at its first call, booted, and used there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { useBench } from "./bench.ts";
import { useParents } from "./parents.ts";

const bench = useBench({ packed: false });
const { run, gone } = useParents(bench);

/** A command in a login shell, which knows how to reach a registry; undefined when it went well, else what it wrote. */
async function shell(command: string, cwd: string): Promise<string | undefined> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
  const child = spawn("bash", ["-lc", command], { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: 100_000 });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return code === 0 ? undefined : text;
}

test("an image is resized by sharp on a machine", { timeout: 240_000 }, async ({ skip }) => {
  const apart = mkdtempSync(join(testRun.folder, "sharp-"));
  writeFileSync(join(apart, "package.json"), "{}");
  const command = "npm install --no-audit --no-fund --ignore-scripts --loglevel=error sharp@^0.34.0";
  const failed = await shell(command, apart);
  if (failed !== undefined) {
    console.log(`Skipped: ${command} does not work here: ${failed}`);
    skip("packages cannot be installed here");
  }
  const { folder } = bench.application;
  // The other packages of the application were not put there by npm, which would take them away.
  cpSync(join(apart, "node_modules"), join(folder, "node_modules"), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { dependencies: object };
  manifest.dependencies = { ...manifest.dependencies, sharp: "^0.34.0" };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  const text = await run(
    "sharp",
    `
import sharp from "sharp";
const picture = await sharp({ create: { width: 400, height: 300, channels: 3, background: "#c00" } }).png().toBuffer();
const { small, native, address } = await flame(async () => {
  const small = await sharp(picture).resize(40, 30).png().toBuffer();
  const { sharedObjects } = process.report.getReport();
  const { networkInterfaces } = await import("node:os");
  return { small, native: sharedObjects.some((path) => path.includes("sharp-linux")), address: networkInterfaces().eth0[0].address };
}, { pool: own });
const { width, height, format } = await sharp(small).metadata();
console.log("small", format, width, height, native, address);
await own.close();
`,
    { pool: { bootTimeout: "120s" } },
  );
  const { privateIp } = bench.site.cloud.instances()[0]!;
  expect(text).toContain(`\nsmall png 40 30 true ${privateIp}\n`);
  await gone("sharp", 10_000);
});
