/** The program that is process 1 of a container, in namespaces without an engine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { initCommand, stateFolder } from "../../../src/backends/container/init.ts";
import { available } from "./bench.ts";

const folder = `mount -t tmpfs tmpfs /run && mkdir ${stateFolder} && exec "$@"`;

/** Gives it these lines, and then the end of its input. What it says, and its status once nothing of it is left. */
async function run(input: string): Promise<{ readonly status: number | null; readonly words: string }> {
  const command = initCommand({
    lifetimeMs: Infinity,
    bootTimeoutMs: 3_600_000,
    parentLostMs: 3_600_000,
    command: ["/bin/sh", "-c", "exec sleep 3600"],
  });
  const apart = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
  const child = spawn("unshare", [...apart, "/bin/sh", "-ec", folder, "folder", ...command], {
    stdio: ["pipe", "pipe", "ignore"],
    timeout: 10_000,
    killSignal: "SIGKILL",
  });
  let words = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (words += chunk));
  child.stdin.end(input);
  const [status] = (await once(child, "close")) as [number | null];
  return { status, words };
}

describe.skipIf(!available)("process 1", () => {
  test("ends with a parent that was gone before it has heard a word", async () => {
    expect(await run("")).toEqual({ status: 3, words: "" });
  });

  test(
    "ends with a parent that was gone as soon as it had spoken, wherever it is by then",
    { timeout: 60_000 },
    async () => {
      for (let round = 0; round < 40; round++) {
        const { status, words } = await run("{}\n");
        expect([3, 137]).toContain(status);
        expect(words).toMatch(/^tinderbox boot: booted\n/);
      }
    },
  );

  test("ends when it is told to, though it was connected", async () => {
    const { status } = await run("{}\nconnected\nend\n\n");
    expect([3, 137]).toContain(status);
  });
});
