import { createHash } from "node:crypto";
import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BinaryStartError } from "../../../src/errors.ts";
import { openers } from "../../../src/native/binary/openers.ts";
import { defaultFolder } from "../../../src/native/binary/source.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { runScript } from "../../harness/script.ts";
import { repository } from "../../harness/script-folder.ts";
import { until } from "../../harness/until.ts";
import { folder, makeLab } from "./lab.ts";

const here = `${process.platform}-${process.arch}`;
const tool = '#!/bin/sh\necho "tool $*"\n';
const sha256 = createHash("sha256").update(tool).digest("hex");
const utf8 = { encoding: "utf8" } as const;

let server: Server;
let base = "";
const asked: string[] = [];
/** Answers that wait for a word. */
let release: (() => void) | undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url!);
    if (request.url === "/tool") response.end(tool);
    else if (request.url === "/private?key=hunter3") {
      // "m@e:hunter2"
      if (request.headers.authorization === "Basic bUBlOmh1bnRlcjI=") response.end(tool);
      else response.writeHead(401).end();
    } else if (request.url === "/other") response.end(`${tool}# not quite\n`);
    else if (request.url === "/half") {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setImmediate(() => response.destroy());
    } else if (request.url === "/held") {
      response.write(tool.slice(0, 5));
      release = () => response.end(tool.slice(5));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => void (asked.length = 0));

const source = (url: string, hash = sha256) => ({ source: { [here]: { url, sha256: hash } } });
/** All files below a folder. */
const files = (where: string): string[] =>
  existsSync(where)
    ? readdirSync(where, { recursive: true, withFileTypes: true })
        .filter((each) => each.isFile())
        .map(({ name }) => name)
    : [];

describe("a program that is named by URL and hash", () => {
  test("is downloaded once, kept where only its owner can write, and run", async () => {
    const cache = join(folder(), "a", "b");
    const lab = makeLab({ cache });
    const one = lab.declare(source(`${base}/tool`));
    const answers = await Promise.all([1, 2, 3].map((n) => one.run([String(n)], utf8)));
    expect(answers.map(({ stdout }) => stdout)).toEqual(["tool 1\n", "tool 2\n", "tool 3\n"]);
    expect(asked).toEqual(["/tool"]);
    expect(answers[0]!.command).toBe(`${join(cache, sha256, "tool")} 1`);
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    expect(statSync(join(cache, sha256, "tool")).mode & 0o777).toBe(0o700);
    expect(files(cache)).toEqual(["tool"]);
    // Another process: not asked again, but looked at again.
    const other = makeLab({ cache }).declare(source(`${base}/tool`));
    await other.run();
    expect(asked).toEqual(["/tool"]);
  });

  test("may be a file", async () => {
    const file = join(folder(), "the tool");
    writeFileSync(file, tool);
    const lab = makeLab();
    const one = lab.declare(source(pathToFileURL(file).href));
    expect((await one.run(["x"], utf8)).stdout).toBe("tool x\n");
    expect(lab.started[0]!.command).toMatch(/the_tool$/);
  });

  test("is refused when it is another, and leaves nothing that could be run", async () => {
    const cache = folder();
    chmodSync(cache, 0o700);
    const lab = makeLab({ cache });
    const one = lab.declare(source(`${base}/other`));
    const error: unknown = await one.run().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BinaryStartError);
    expect((error as Error).message).toMatch(
      new RegExp(
        `^Cannot start binary "b1": ${base}/other is not what was declared: its sha256 is \\w+, ${sha256} is wanted; it was deleted$`,
      ),
    );
    expect(files(cache)).toEqual([]);
    expect(lab.started).toEqual([]);
    // It is not remembered: the next call asks again.
    await expect(one.run()).rejects.toThrow(BinaryStartError);
    expect(asked).toHaveLength(2);
  });

  test.each([
    ["/none", /the server answered 404 Not Found/],
    ["/half", /terminated|closed|aborted/],
  ])("that cannot be read (%s) is an error, and leaves nothing", async (path, message) => {
    const cache = join(folder(), "cache");
    const one = makeLab({ cache }).declare(source(`${base}${path}`));
    await expect(one.run()).rejects.toThrow(message);
    expect(files(cache)).toEqual([]);
  });

  test("that was changed on the disk is not run, but fetched again", async () => {
    const cache = join(folder(), "cache");
    await makeLab({ cache })
      .declare(source(`${base}/tool`))
      .run();
    writeFileSync(join(cache, sha256, "tool"), "#!/bin/sh\necho stolen\n");
    const { stdout } = await makeLab({ cache })
      .declare(source(`${base}/tool`))
      .run([], utf8);
    expect(stdout).toBe("tool \n");
    expect(asked).toEqual(["/tool", "/tool"]);
  });

  test("is fetched again when somebody has cleared the cache", async () => {
    const cache = join(folder(), "cache");
    const one = makeLab({ cache }).declare(source(`${base}/tool`));
    await one.run();
    rmSync(cache, { recursive: true });
    expect((await one.run([], utf8)).stdout).toBe("tool \n");
  });

  test("is not kept in a folder that others may write to", async () => {
    const cache = folder();
    chmodSync(cache, 0o777);
    await expect(
      makeLab({ cache })
        .declare(source(`${base}/tool`))
        .run(),
    ).rejects.toThrow(/may be written by others; run chmod 700/);
    expect(asked).toEqual([]);
  });

  test("has the source of this platform, or an error that lists those there are", async () => {
    const one = makeLab().declare({
      source: { "plan9-mips": { url: `${base}/tool`, sha256 }, "os2-x64": { url: `${base}/tool`, sha256 } },
    });
    await expect(one.run()).rejects.toThrow(
      `Cannot start binary "b1": it has no source for ${here}, only for plan9-mips, os2-x64; add one to option "source"`,
    );
  });

  test("by a scheme that nobody has an opener for is an error that says so", async () => {
    const lab = makeLab();
    await expect(lab.declare(source("s3://bucket/tool?key=hunter2")).run()).rejects.toThrow(
      /^Cannot start binary "b1": s3:\/\/bucket\/tool cannot be read: there is no opener for s3:, only for file: http: https:$/,
    );
    const own = makeLab({ openers: new Map([["s3:", async () => [Buffer.from(tool)] as never]]) });
    expect((await own.declare(source("s3://bucket/tool")).run([], utf8)).stdout).toBe("tool \n");
  });

  test("may be behind a name and a password, which are no part of what is asked for", async () => {
    const one = makeLab().declare(source(`${base.replace("//", "//m%40e:hunter2@")}/private?key=hunter3`));
    expect((await one.run([], utf8)).stdout).toBe("tool \n");
    expect(asked).toEqual(["/private?key=hunter3"]);
  });

  test.each([
    ["a server that refuses", "http://127.0.0.1:1/x", openers],
    [
      "an opener that shows its URL",
      "s3://bucket/x",
      new Map([
        [
          "s3:",
          async (url: URL) => {
            throw new Error(`no: ${url.href} (${url.password}, ${url.search})`, { cause: { url: url.href } });
          },
        ],
      ]),
    ],
  ])("keeps its secrets in errors: %s", async (_name, url, known) => {
    const one = makeLab({ openers: known }).declare(
      source(`${url.replace("//", "//me-and-my-token:hunt%65r2@")}?key=hunter3%2F3`),
    );
    const error = await one.run().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BinaryStartError);
    expect((error as Error).message).toContain(url);
    const shown = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
    expect(shown).not.toMatch(/hunter|hunt%65r|key=|me-and-my-token/);
  });

  test("from a server that falls silent is given up", async () => {
    const clock = new FakeClock();
    const one = makeLab({ clock }).declare(source(`${base}/held`));
    const call = one.run().catch((error: unknown) => error);
    await until("the request", () => asked.length === 1);
    await until("the wait", () => clock.pending({ held: true }) === 1);
    clock.advance(60_000);
    expect(String(await call)).toContain("/held was silent for 1 m");
    release!();
  });

  test("serves workers as well, and start() fetches it before the first call", async () => {
    const lab = makeLab();
    const one = lab.declare(source(`${base}/tool`));
    await one.start();
    expect(asked).toEqual(["/tool"]);
    const worker = lab.declare({ ...source(`${base}/tool`), protocol: "lines", maxRestarts: 0 });
    await worker.start();
    expect(asked).toEqual(["/tool"]);
  });
});

test("a download that is still on its way keeps no run that is over, and no close()", async () => {
  const one = makeLab().declare(source(`${base}/held`));
  const call = one.run();
  await until("the request", () => asked.length === 1);
  await one.close({ timeout: 10 });
  await expect(call).rejects.toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED" });
  release!();
});

describe("several processes", () => {
  const script = (cache: string, url: string): string => `
    import { binary } from "tinderbox";
    process.env.XDG_CACHE_HOME = ${JSON.stringify(cache)};
    const tool = binary("tool", ${JSON.stringify(source(url))});
    console.log((await tool.run(["of", String(process.argv[2])], { encoding: "utf8" })).stdout);`;

  test("that need it at a time download it once", { timeout: 30_000 }, async () => {
    const cache = folder();
    chmodSync(cache, 0o700);
    const all = Promise.all([1, 2, 3].map((n) => runScript(script(cache, `${base}/held`), { args: [String(n)] })));
    await until("the request", () => asked.length === 1);
    const lock = join(cache, "tinderbox", "binaries", `${sha256}.lock`);
    await until("the lock", () => existsSync(lock));
    // The others have had their time to ask as well.
    await until(
      "the others",
      () =>
        readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes("main.ts") && readsOf(pid))
          .length >= 3,
    );
    release!();
    const results = await all;
    expect(results.map(({ stdout, stderr }) => stdout.trim() + stderr)).toEqual([
      "tool of 1",
      "tool of 2",
      "tool of 3",
    ]);
    expect(asked).toEqual(["/held"]);
    expect(files(cache)).toEqual(["held"]);
  });

  test("a lock whose owner is dead, or is another process by now, is nobody's", async () => {
    for (const owner of [`${hostname()} 999999999 5`, `${hostname()} ${process.ppid} 1`]) {
      const cache = folder();
      chmodSync(cache, 0o700);
      const lock = join(cache, `${sha256}.lock`);
      writeFileSync(lock, owner);
      await makeLab({ cache })
        .declare(source(`${base}/tool`))
        .run();
      expect(existsSync(lock)).toBe(false);
    }
  });

  test("a lock of a living owner is waited for, but not for ever", async () => {
    const clock = new FakeClock();
    const cache = folder();
    chmodSync(cache, 0o700);
    const stat = readFileSync(`/proc/${process.ppid}/stat`, "latin1");
    const born = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
    writeFileSync(join(cache, `${sha256}.lock`), `${hostname()} ${process.ppid} ${born}`);
    const call = makeLab({ clock, cache })
      .declare(source(`${base}/tool`))
      .run([], utf8);
    const pass = async (seconds: number): Promise<void> => {
      for (let waited = 0; waited < seconds; waited++) {
        await new Promise((resolve) => setImmediate(resolve));
        clock.advance(1_000);
      }
    };
    await pass(9 * 60);
    expect(asked).toEqual([]);
    await pass(2 * 60);
    await until("the request", () => asked.length === 1);
    expect((await call).stdout).toBe("tool \n");
  });
});

test("the cache is where the system's conventions say", () => {
  const before = process.env["XDG_CACHE_HOME"];
  process.env["XDG_CACHE_HOME"] = "/caches";
  expect(defaultFolder()).toBe("/caches/tinderbox/binaries");
  process.env["XDG_CACHE_HOME"] = "relative";
  expect(defaultFolder()).toMatch(/\/\.cache\/tinderbox\/binaries$/);
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
});

test("a relative command belongs to the release of the file that declares it, whatever the working folder is", async () => {
  const { scriptFolder } = await import("../../harness/script-folder.ts");
  const where = scriptFolder({
    "bin/tool": tool,
    "src/deep/main.ts": `
      import { binary } from "tinderbox";
      const { stdout, cwd } = await binary("tool", { command: "./bin/tool", cwd: "src" }).run([], { encoding: "utf8" });
      console.log(stdout.trim(), cwd);`,
  });
  chmodSync(join(where, "bin/tool"), 0o755);
  const { stdout, stderr } = await runScript(join(where, "src/deep/main.ts"), { cwd: repository });
  expect(stdout + stderr).toBe(`tool ${join(where, "src")}\n`);
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** It has loaded everything: it sleeps. */
function readsOf(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1").includes("State:\tS");
  } catch {
    return false;
  }
}
