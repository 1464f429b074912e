/** The way of a runner on a whole Debian: its own cloud-init runs our user data, and its own systemd keeps and ends the machine. */
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { removeFoldersOf } from "../../src/scratch.ts";
import { until } from "../harness/until.ts";
import { noMachineLeft, startParent, useBench } from "./bench.ts";

const bench = useBench({ cloudInit: true });
const consoles = (): string =>
  bench.site.cloud
    .instances()
    .map(({ id }) => bench.site.cloud.machine(id)?.console() ?? "")
    .join("\n");

test(
  "a closure runs there, under a unit of systemd, and the machine is gone afterwards",
  { timeout: 180_000 },
  async () => {
    const script = startParent(
      bench,
      `
import { readFileSync, existsSync } from "node:fs";
const facts = await flame(() => ({
  answer: 6 * 7, systemd: existsSync("/run/systemd/system"), groups: readFileSync("/proc/self/cgroup", "utf8"), root: process.getuid() === 0,
}), { pool: far });
console.log("facts", JSON.stringify(facts));
await far.close();
console.log("closed");
`,
      { pool: { bootTimeout: "90s" } },
    );
    const { code, stdout, stderr } = await script.finished;
    expect(code, stdout + stderr + consoles()).toBe(0);
    const [, facts] = /^facts (.*)$/m.exec(stdout) ?? [];
    expect(JSON.parse(facts!)).toMatchObject({
      answer: 42,
      systemd: true,
      root: false,
      groups: expect.stringContaining("tinderbox") as string,
    });
    await noMachineLeft(bench, 20_000);
  },
);

test("one whose parent is killed powers off by itself", { timeout: 180_000 }, async () => {
  const script = startParent(
    bench,
    `await flame(() => { console.log("in it"); return new Promise(() => setInterval(() => {}, 1000)); }, { pool: far, timeout: Infinity });`,
    { pool: { bootTimeout: "90s", onParentLoss: "kill" } },
  );
  await script.see(/in it/, { within: 90_000 });
  script.kill("SIGKILL");
  // As the next parent on this machine would do it.
  await script.finished;
  removeFoldersOf(tmpdir(), script.pid);
  await until("its end", () => bench.site.cloud.instances().every(({ state }) => state === "terminated"), {
    within: 60_000,
  });
  const { reason } = bench.site.cloud.instances().at(-1)!;
  expect(reason, consoles()).toBe("Client.InstanceInitiatedShutdown");
});
