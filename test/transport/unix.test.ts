import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { dialUnix, listenUnix } from "../../src/transport/unix.ts";
import type { Connection } from "../../src/ports/transport.ts";
import { End, testTransport } from "../conformance/transport.ts";
import { testRun } from "../harness/run.ts";
import { repository } from "../harness/script-folder.ts";
import { until } from "../harness/until.ts";
import { runScript, startScript } from "../harness/script.ts";

testTransport("unix", () => ({ listen: listenUnix, dial: dialUnix }));

const folders = (): string[] => readdirSync(testRun.folder).filter((name) => name.startsWith("tinderbox-"));
const source = (path: string): string => JSON.stringify(join(repository, "src", path));

describe("the socket's folder", () => {
  test("is closed to others, whatever the umask", async () => {
    const before = process.umask(0);
    const listener = await listenUnix(() => undefined).finally(() => process.umask(before));
    const folder = statSync(dirname(listener.address));
    expect([folder.mode & 0o777, folder.isDirectory()]).toEqual([0o700, true]);
    expect(statSync(listener.address).isSocket()).toBe(true);
    listener.close();
    expect(existsSync(dirname(listener.address))).toBe(false);
  });

  test("is gone when the process exits without closing", async () => {
    const { stdout } = await runScript(`
      import { listenUnix } from ${source("transport/unix.ts")};
      const addresses = [await listenUnix(() => {}), await listenUnix(() => {})].map(({ address }) => address);
      console.log(JSON.stringify(addresses));
      process.exit(0);
    `);
    const addresses = JSON.parse(stdout) as string[];
    expect(addresses).toHaveLength(2);
    expect(addresses.map((address) => existsSync(dirname(address)))).toEqual([false, false]);
  });

  test("is not left behind when listening fails, and the message says what to do", async () => {
    const long = join(testRun.folder, "long".repeat(30));
    await mkdir(long);
    const { TMPDIR } = process.env;
    process.env["TMPDIR"] = long;
    try {
      await expect(listenUnix(() => undefined)).rejects.toThrow(
        /^Cannot listen on .+: the path of a socket has at most 103 bytes; set TMPDIR to a shorter one$/,
      );
      expect(readdirSync(long)).toEqual([]);
    } finally {
      process.env["TMPDIR"] = TMPDIR;
    }
  });
});

test("fifty listeners leave neither a warning nor a hook behind", async () => {
  const hooks = process.listenerCount("exit");
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  const listeners = await Promise.all(Array.from({ length: 50 }, () => listenUnix(() => undefined)));
  for (const listener of listeners) listener.close();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", note);
  expect(warnings).toEqual([]);
  expect(process.listenerCount("exit")).toBe(hooks);
  expect(folders()).toEqual([]);
});

test("a closed listener leaves no socket in the kernel", async () => {
  const listener = await listenUnix(() => undefined);
  const bound = () => readFileSync("/proc/net/unix", "utf8").includes(listener.address);
  expect(bound()).toBe(true);
  listener.close();
  expect(await until("no socket", () => !bound())).toBe(true);
});

test("a connection that breaks while it writes says why", async () => {
  const accepted: Connection[] = [];
  const listener = await listenUnix((connection) => accepted.push(connection));
  const end = new End(await dialUnix(listener.address)).attach();
  await until("a connection", () => accepted.length === 1);
  for (let index = 0; index < 64; index++) end.connection.write(Buffer.alloc(65_536));
  accepted[0]!.destroy();
  await until("the end", () => end.closed);
  listener.close();
  expect(end.closes).toEqual([expect.objectContaining({ code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/) })]);
});

test("a dial to what is no socket, is not there, or does not listen any more is refused", async () => {
  const gone = join(testRun.folder, "gone");
  const server = createServer().listen(gone);
  await new Promise((resolve) => server.once("listening", resolve));
  server.close();
  for (const address of [gone, repository, join(repository, "package.json")]) {
    await expect(dialUnix(address)).rejects.toMatchObject({ syscall: "connect" });
  }
});

describe("the process", () => {
  test("does not stay for a listener, nor for connections that are not held", async () => {
    const { code, stdout } = await runScript(`
      import { dialUnix, listenUnix } from ${source("transport/unix.ts")};
      const handlers = { data() {}, drain() {}, close() { console.log("closed"); } };
      const listener = await listenUnix((connection) => { connection.attach(handlers); connection.hold(false); });
      const connection = await dialUnix(listener.address);
      connection.attach(handlers);
      connection.hold(false);
      console.log("ready");
    `);
    expect([code, stdout]).toEqual([0, "ready\n"]);
  });

  test("stays for a connection that is held, until it ends", async () => {
    const script = startScript(`
      import { dialUnix, listenUnix } from ${source("transport/unix.ts")};
      const handlers = { data() {}, drain() {}, close() { console.log("closed"); } };
      let accepted;
      const listener = await listenUnix((connection) => {
        accepted = connection;
        connection.attach(handlers);
        connection.hold(false);
      });
      const connection = await dialUnix(listener.address);
      connection.attach(handlers);
      connection.hold(false);
      connection.hold(true);
      process.on("SIGUSR2", () => accepted.end());
      console.log("ready");
    `);
    await script.see(/ready/);
    script.kill("SIGUSR2");
    const { code, stdout } = await script.finished;
    expect([code, stdout]).toEqual([0, expect.stringContaining("closed")]);
  });

  test("survives a connection that breaks before anybody listens to it", async () => {
    const { code, stdout, stderr } = await runScript(`
      import { dialUnix, listenUnix } from ${source("transport/unix.ts")};
      const listener = await listenUnix((connection) => { connection.destroy(); });
      const connection = await dialUnix(listener.address);
      const write = () => connection.write(Buffer.alloc(100_000));
      write();
      setImmediate(() => { write(); setImmediate(() => { write(); setImmediate(() => {
        connection.attach({ data() {}, drain() {}, close(error) { console.log("closed", error?.code ?? "cleanly"); } });
      }); }); });
    `);
    expect(stderr).toBe("");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^closed (EPIPE|ECONNRESET)\n$/)]);
  });
});
