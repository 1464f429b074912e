/** The application's own top level, and what must not run it again. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runScript } from "../harness/script.ts";
import { scriptFolder } from "../harness/script-folder.ts";

const frontEnds = [
  { name: "load hook", execArgv: ["--import", "tinderbox/register"], env: { TINDERBOX_CAPTURE: "transform" } },
  { name: "runtime", execArgv: [], env: { TINDERBOX_CAPTURE: "runtime" } },
  { name: "no flag", execArgv: [], env: {} },
];

describe.each(frontEnds)("$name", ({ execArgv, env }) => {
  const run = async (files: Readonly<Record<string, string>>, entry = "app.ts") => {
    const folder = scriptFolder(files);
    const result = await runScript(join(folder, entry), { cwd: folder, execArgv, env });
    return { ...result, folder };
  };

  test("an application that listens on a port is started once, whatever it sends to runners", async () => {
    const { stdout, stderr, folder } = await run({
      "app.ts": `
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { flame, pool } from "tinderbox";
import { double } from "./double.ts";
appendFileSync(new URL("./starts.txt", import.meta.url), "start\\n");
const all = pool("default", { max: 2 });
const server = createServer((_, response) => { response.end("hello"); });
// A port of its own choice would hide a second start; this one is taken then.
await new Promise<void>((done) => server.listen(0, done));
const { port } = server.address() as { port: number };
class Visit { at = port; }
const greet = (name: string) => name + " " + port;
const texts = await Promise.all([1, 2, 3, 4].map((n) => flame(async () => {
  const text = await (await fetch("http://127.0.0.1:" + port)).text();
  return [text, double(n), greet("port") === "port " + port, new Visit().at === port].join();
})));
console.log(JSON.stringify(texts), (await flame(() => new Visit())) instanceof Visit);
server.close();
await all.close();
`,
      "double.ts": `export const double = (n: number) => n * 2;\n`,
    });
    expect(stderr).toBe("");
    expect(stdout.trim()).toBe(
      '["hello,2,true,true","hello,4,true,true","hello,6,true,true","hello,8,true,true"] true',
    );
    expect(readFileSync(join(folder, "starts.txt"), "utf8")).toBe("start\n");
  });

  test("an import that leads back to the entry file fails with the chain of imports", async () => {
    const { stdout, stderr, code, folder } = await run({
      "app.ts": `
import { appendFileSync } from "node:fs";
import { flame } from "tinderbox";
import { through } from "./through.ts";
export const setting = "of the application";
appendFileSync(new URL("./starts.txt", import.meta.url), "start\\n");
const error = await flame(() => through()).catch((error: unknown) => error as Error & { code: string; chain: string[] });
console.log(JSON.stringify({ code: error.code, chain: error.chain.map((url) => url.split("/").at(-1)), message: error.message.replaceAll(/\\S*\\//g, "") }));
console.log(await flame(() => "still works"));
`,
      "through.ts": `import { deeper } from "./deeper.ts";\nexport const through = () => deeper();\n`,
      "deeper.ts": `import { setting } from "./app.ts";\nexport const deeper = () => setting;\n`,
    });
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const [first, second] = stdout.trim().split("\n");
    const {
      code: errorCode,
      chain,
      message,
    } = JSON.parse(first!) as { code: string; chain: string[]; message: string };
    expect(errorCode).toBe("ERR_TINDERBOX_ENTRY");
    expect(chain).toEqual(["app.ts", "through.ts", "deeper.ts", "app.ts"]);
    expect(message).toMatch(
      /^Cannot import app\.ts: it is the application's entry file, and a runner must not start the application again; move what the closure needs/,
    );
    expect(second).toBe("still works");
    expect(readFileSync(join(folder, "starts.txt"), "utf8")).toBe("start\n");
  });

  test("a dynamic import of the entry file in a closure fails in the same way", async () => {
    const { stdout } = await run({
      "app.ts": `
import { flame } from "tinderbox";
const error = await flame(async () => { await import("./app.ts"); }).catch((error: unknown) => error as { code: string });
console.log(error?.code);
`,
    });
    expect(stdout.trim()).toBe("ERR_TINDERBOX_ENTRY");
  });

  test("closures, helpers and classes of the entry file itself travel", async () => {
    const { stdout, stderr } = await run({
      "app.ts": `
import { flame } from "tinderbox";
import { basename } from "node:path";
let base = 1;
class Point { x: number; constructor(x: number) { this.x = x; } }
const helper = (n: number) => n + base;
base = 2;
const point = await flame(() => new Point(helper(5)));
console.log(point instanceof Point, point.x, await flame(() => basename(import.meta.filename)));
`,
    });
    expect([stdout.trim(), stderr]).toEqual(["true 7 app.ts", ""]);
  });

  test("a CommonJS application travels too, and is not run again", async () => {
    const { stdout, stderr, folder } = await run(
      {
        "app.cjs": `
const { appendFileSync } = require("node:fs");
const { join, basename } = require("node:path");
const { flame } = require("tinderbox");
appendFileSync(join(__dirname, "starts.txt"), "start\\n");
const through = require("./through.cjs");
let base = 1;
const helper = (n) => n + base;
base = 2;
(async () => {
  console.log(await flame(() => [helper(1), basename(__filename)].join()));
  console.log(await flame(() => through.deep()).catch((error) => error.code));
})();
`,
        "through.cjs": `exports.deep = () => require("./app.cjs");\n`,
      },
      "app.cjs",
    );
    expect(stderr).toBe("");
    expect(stdout.trim()).toBe("3,app.cjs\nERR_TINDERBOX_ENTRY");
    expect(readFileSync(join(folder, "starts.txt"), "utf8")).toBe("start\n");
  });
});
