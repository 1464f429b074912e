/** Applications whose closures run in containers: what they find there, what they may, and what they are told when something is wrong. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { environmentOf } from "../../harness/s3/environment.ts";
import { startS3 } from "../../harness/s3/server.ts";
import { repository } from "../../harness/script-folder.ts";
import { runScript } from "../../harness/script.ts";
import { until } from "../../harness/until.ts";
import { available, noContainerLeft, runParent, startParent, useBench } from "./bench.ts";

/** A container may take a while on a busy machine. */
const slowly = { within: 30_000 };
const limit = { timeout: 60_000 };
/** A release of its own is packed, brought there and fetched. */
const longer = { timeout: 120_000 };

/** What a parent has printed after that word, as JSON. */
function said(stdout: string, word: string): unknown {
  return JSON.parse(new RegExp(`^${word} (.*)$`, "m").exec(stdout)?.[1] ?? "null");
}

describe.skipIf(!available)("in containers", () => {
  const bench = useBench();

  test("a closure runs in a container of the release, and the container is gone afterwards", limit, async () => {
    const stdout = await runParent(
      bench,
      `
const six = 6;
const facts = await flame(async () => {
  const { readFileSync, writeFileSync, readdirSync } = await import("node:fs");
  const { userInfo } = await import("node:os");
  const status = readFileSync("/proc/self/status", "utf8");
  const line = (name) => new RegExp("^" + name + ":\\\\s+(.*)$", "m").exec(status)?.[1];
  const fails = (act) => { try { act(); return "no"; } catch (error) { return error.code; } };
  writeFileSync("/tmp/mine", "1");
  return {
    answer: six * 7, folder: process.cwd(), node: process.execPath, home: process.env.HOME, user: userInfo().username, uid: process.getuid(),
    capabilities: [line("CapEff"), line("CapPrm"), line("CapBnd")], privileges: line("NoNewPrivs"),
    root: fails(() => writeFileSync("/mine", "1")), app: fails(() => writeFileSync("package.json", "1")),
    state: readdirSync("/run/tinderbox").sort(),
  };
}, { pool: far });
console.log("facts", JSON.stringify(facts));
await flame(() => console.log("said there"), { pool: far });
await far.close();
console.log("closed");
`,
    );
    const none = "0000000000000000";
    expect(said(stdout, "facts")).toEqual({
      answer: 42,
      folder: bench.application.folder,
      node: "/opt/tinderbox/node/bin/node",
      home: "/tmp",
      user: "nobody",
      uid: 65534,
      capabilities: [none, none, none],
      privileges: "1",
      root: "EROFS",
      app: "EROFS",
      state: ["mark", "parent"],
    });
    expect(stdout).toMatch(/^\[far-1 .*\] said there$/m);
    const phases = [...stdout.matchAll(/^boot\.phase .*"phase":"(\w+)","ms":([\d.]+)/gm)];
    const names = phases.map(([, phase]) => phase);
    expect(names).toEqual(["requested", "launched", "booted", "started", "connected", "ready"]);
    const times = phases.map(([, , ms]) => Number(ms));
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    expect(stdout).toMatch(/runner\.gone \{"exitCode":0,/);
    expect(await bench.engine.containers()).toEqual([]);
  });

  test("nothing secret is in what the engine knows of a container, and it is said whose it is", limit, async () => {
    const script = startParent(
      bench,
      `
console.log("token", await flame(() => process.env.TOKEN, { pool: far }));
await new Promise((resolve) => process.stdin.once("end", resolve).resume());
await far.close();
`,
      {
        pool: { secrets: { TOKEN: "very-secret-word" }, lifetime: "1h" },
        container: { labels: { team: "blue" }, memory: "200mb" },
      },
    );
    await script.see(/runner\.ready/, slowly);
    const [id] = await bench.engine.containers();
    const { json } = await bench.engine.api("GET", `/containers/${id}/json`);
    const text = JSON.stringify(json);
    expect(text).not.toContain("very-secret-word");
    expect(text).not.toContain("ticket");
    const { Config, Name, HostConfig } = json as {
      Name: string;
      Config: { Labels: Record<string, string> };
      HostConfig: { Memory: number; MemorySwap: number };
    };
    // Together with swap: there is none for it.
    expect([HostConfig.Memory, HostConfig.MemorySwap]).toEqual([200 * 1024 * 1024, 200 * 1024 * 1024]);
    expect(Name).toMatch(/tinderbox-far-1-[0-9a-f]{8}$/);
    expect(Config.Labels).toMatchObject({
      team: "blue",
      "tinderbox.pool": "far",
      "tinderbox.owner": expect.stringMatching(new RegExp(`^[0-9a-f-]{36}/\\d+/${script.pid}\\.\\d+$`)),
      "tinderbox.expires": expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    const { code } = await script.finished;
    expect(code).toBe(0);
    await noContainerLeft(bench);
  });

  test("memory: what a closure takes beyond it ends its runner, and the error says so", limit, async () => {
    const stdout = await runParent(
      bench,
      `
const error = await flame(() => { const kept = []; for (;;) kept.push(Buffer.alloc(8 << 20, 1)); }, { pool: far }).catch((error) => error);
console.log("error", JSON.stringify({ code: error.code, oom: error.oom, scope: error.scope, signal: error.signal, reason: error.reason, message: error.message }));
console.log("next", await flame(() => "another comes", { pool: far }));
await far.close();
`,
      { container: { memory: "160mb" } },
    );
    const error = said(stdout, "error") as { message: string };
    expect(error).toMatchObject({
      code: "ERR_TINDERBOX_RUNNER_LOST",
      oom: true,
      scope: "machine",
      signal: "SIGKILL",
      reason: "out of memory, of which its container may have 160 MiB (OOMKilled)",
    });
    expect(error.message).toContain("out of memory, of which its container may have 160 MiB (OOMKilled)");
    expect(stdout).toMatch(/^next another comes$/m);
  });

  test("memory: of several executors the one that takes too much dies alone", limit, async () => {
    const stdout = await runParent(
      bench,
      `
const living = flame(async () => { await new Promise((resolve) => setTimeout(resolve, 3000)); return "lives"; }, { pool: far });
const error = await flame(() => { const kept = []; for (;;) kept.push(Buffer.alloc(8 << 20, 1)); }, { pool: far }).catch((error) => error);
console.log("two", error.code, error.scope, error.signal, await living);
await far.close();
`,
      { pool: { processes: 2 }, container: { memory: "320mb" } },
    );
    expect(stdout).toMatch(/^two ERR_TINDERBOX_RUNNER_LOST process SIGKILL lives$/m);
  });

  test("pids: processes that multiply are held, and the container goes on", limit, async () => {
    const stdout = await runParent(
      bench,
      `
const found = await flame(async () => {
  const { spawn } = await import("node:child_process");
  const all = [];
  for (;;) {
    const child = spawn("sleep", ["1000"], { stdio: "ignore" });
    const error = await new Promise((resolve) => { child.once("error", resolve); child.once("spawn", () => resolve()); });
    if (error) { for (const each of all) each.kill("SIGKILL"); return { count: all.length, code: error.code }; }
    all.push(child);
  }
}, { pool: far });
console.log("found", JSON.stringify(found));
console.log("next", await flame(() => "same runner", { pool: far }), far.stats().boots.ok);
await far.close();
`,
      { container: { pids: 90 } },
    );
    const { count, code } = said(stdout, "found") as { count: number; code: string };
    expect(code).toBe("EAGAIN");
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(90);
    expect(stdout).toMatch(/^next same runner 1$/m);
  });

  test("cpus: a closure that computes gets no more than its part", limit, async () => {
    const stdout = await runParent(
      bench,
      `
const part = await flame(() => {
  const [start, used] = [performance.now(), process.cpuUsage()];
  while (performance.now() - start < 2000);
  const { user, system } = process.cpuUsage(used);
  return (user + system) / 1000 / (performance.now() - start);
}, { pool: far });
console.log("part", part);
await far.close();
`,
      { container: { cpus: 0.2 } },
    );
    expect(said(stdout, "part")).toBeLessThan(0.3);
  });

  test("tmp, mounts, user and ulimits are as they are asked for", limit, async () => {
    const folder = join(bench.application.home, "shared");
    mkdirSync(folder, { mode: 0o777 });
    writeFileSync(join(folder, "given"), "from outside");
    const stdout = await runParent(
      bench,
      `
const facts = await flame(async () => {
  const { readFileSync, writeFileSync } = await import("node:fs");
  const fails = (act) => { try { act(); return "no"; } catch (error) { return error.code; } };
  return {
    uid: process.getuid(), gid: process.getgid(), read: readFileSync("/in/given", "utf8"),
    small: fails(() => writeFileSync("/tmp/small", "1")), tmp: fails(() => writeFileSync("/tmp/large", Buffer.alloc(2 << 20))),
    in: fails(() => writeFileSync("/in/word", "1")), out: fails(() => writeFileSync("/out/word", "from inside")),
    files: /Max open files\\s+(\\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))[1],
  };
}, { pool: far });
console.log("facts", JSON.stringify(facts));
await far.close();
`,
      {
        container: {
          tmp: "1mb",
          user: "0:1234",
          ulimits: { nofile: 777, nproc: 16000 },
          mounts: [
            { source: folder, target: "/in" },
            { source: folder, target: "/out", readOnly: false },
          ],
        },
      },
    );
    expect(said(stdout, "facts")).toEqual({
      uid: 0,
      gid: 1234,
      read: "from outside",
      tmp: "ENOSPC",
      small: "no",
      in: "EROFS",
      out: "no",
      files: "777",
    });
    expect(readFileSync(join(folder, "word"), "utf8")).toBe("from inside");
  });

  test("network: a container in the engine's own network finds this process", limit, async () => {
    const code = `
const names = await flame(async () => Object.keys((await import("node:os")).networkInterfaces()).sort(), { pool: far });
console.log("names", JSON.stringify(names));
await far.close();
`;
    const [own, shared] = await Promise.all([
      runParent(bench, code, { container: { network: undefined } }),
      runParent(bench, code),
    ]);
    expect(said(own, "names")).toEqual(["eth0", "lo"]);
    expect(said(shared, "names")).not.toEqual(["eth0", "lo"]);
  });

  test("host: containers look for this process where they are told to", limit, async () => {
    const code = `
const error = await flame(() => 1, { pool: far }).catch((error) => error);
console.log("error", JSON.stringify([error.code, error.message]));
await far.close();
`;
    const options = { container: { host: "127.0.0.2", network: undefined }, pool: { bootTimeout: "5s" } };
    const [, message] = said(await runParent(bench, code, options), "error") as string[];
    expect(message).toMatch(/it did not connect within 5000 ms \(phase started/);
    await noContainerLeft(bench);
  });

  test("an application is packed by itself, and laid out once for all containers of this machine", longer, async () => {
    const cache = join(bench.application.home, "own-cache");
    const code = `
console.log("found", JSON.stringify(await flame(() => process.cwd(), { pool: far })));
await far.close();
`;
    const options = { container: { release: { cache } }, pool: { bootTimeout: "60s" } };
    expect(said(await runParent(bench, code, options), "found")).toBe(bench.application.folder);
  });

  test("release.from: one in a bucket is fetched once for all containers of this machine", longer, async () => {
    await using s3 = await startS3();
    const { folder, home } = bench.application;
    const env = environmentOf(s3);
    const args = ["pack", "--to", "s3://test/apps", "--root", folder, "--json"];
    const packed = await runScript(join(repository, "src/cli/main.ts"), { args, env, timeout: 60_000 });
    const { id } = JSON.parse(packed.stdout) as { readonly id: string };
    const release = { id, from: "s3://test/apps", cache: join(home, "from-bucket") };
    // It is the parent that needs the SDK, and only now.
    mkdirSync(join(home, "node_modules"));
    symlinkSync(join(repository, "node_modules/@aws-sdk"), join(home, "node_modules/@aws-sdk"));
    const code = `
console.log("found", JSON.stringify(await flame(() => process.cwd(), { pool: far })));
await far.close();
`;
    const layers = (): number =>
      s3.requests.log.filter(({ operation, key }) => operation === "GetObject" && key.startsWith("apps/layers/"))
        .length;
    for (let round = 0; round < 2; round++) {
      const stdout = await runParent(bench, code, { container: { release }, env });
      expect(said(stdout, "found")).toBe(folder);
      expect(layers()).toBe(3);
    }
  });

  test("an image that cannot be had is an error with the engine's words, at once", limit, async () => {
    const code = `
const started = performance.now();
const error = await flame(() => 1, { pool: far }).catch((error) => error);
console.log("error", JSON.stringify([error.code, error.permanent, error.message, performance.now() - started]));
await far.close();
`;
    const image = "localhost:1/not/here:1";
    const stdout = await runParent(bench, code, { container: { image } });
    const [name, permanent, message, ms] = said(stdout, "error") as [string, boolean, string, number];
    expect([name, permanent]).toEqual(["ERR_TINDERBOX_BOOT", true]);
    expect(message).toMatch(
      /Cannot pull image localhost:1\/not\/here:1: .*connect: connection refused.*; check its name/,
    );
    expect(ms).toBeLessThan(20_000);
    expect(stdout).toMatch(/release\.notice .*pulling image localhost:1\/not\/here:1/);
    expect(await bench.engine.containers()).toEqual([]);
  });

  test("an image in which Node cannot run is an error with its words", limit, async () => {
    const { engine } = bench;
    const image = await engine.imageOf("bare", ["sh", "sleep"], { node: false });
    const code = `
const error = await flame(() => 1, { pool: far }).catch((error) => error);
console.log("error", JSON.stringify([error.code, error.message]));
await far.close();
`;
    const stdout = await runParent(bench, code, { container: { image }, pool: { bootTimeout: "4s" } });
    const [, message] = said(stdout, "error") as string[];
    expect(message).toMatch(/it ended with status 127 of its container \(phase started/);
    expect(message).toMatch(/error while loading shared libraries: lib/);
    expect(await engine.containers()).toEqual([]);
  });

  test("an image without a shell is an error with the engine's words", limit, async () => {
    const { engine } = bench;
    const image = await engine.imageOf("shell-less", ["sleep"]);
    const code = `
const error = await flame(() => 1, { pool: far }).catch((error) => error);
console.log("error", JSON.stringify([error.code, error.message]));
await far.close();
`;
    const stdout = await runParent(bench, code, { container: { image } });
    expect((said(stdout, "error") as string[])[1]).toMatch(/Cannot (attach to|start) a container: .*\/bin\/sh/);
    await until("no container", async () => (await engine.containers()).length === 0);
  });

  test("no engine is an error that says where it was looked for, and what to do", limit, async () => {
    const code = `
const error = await flame(() => 1, { pool: far }).catch((error) => error);
console.log("error", JSON.stringify([error.code, error.message]));
`;
    const [name, message] = said(
      await runParent(bench, code, { container: { engine: "/nowhere/engine.sock" } }),
      "error",
    ) as string[];
    expect(name).toBe("ERR_TINDERBOX_BOOT");
    expect(message).toMatch(
      /Cannot reach a container engine: tried \/nowhere\/engine\.sock \(there is none\); start one with .*systemctl --user start podman\.socket/,
    );
  });
});
