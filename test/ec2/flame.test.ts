import { expect, test } from "vitest";
import { noMachineLeft, startParent, useBench } from "./bench.ts";

const bench = useBench({ packed: false });

test(
  "a closure runs on a machine that boots the release, and the machine is gone afterwards",
  { timeout: 120_000 },
  async () => {
    const script = startParent(
      bench,
      `
const six = 6;
const facts = await flame(() => ({
  answer: six * 7, folder: process.cwd(), home: process.env.HOME, secret: process.env.AWS_SECRET_ACCESS_KEY, root: process.getuid() === 0,
}), { pool: far });
console.log("facts", JSON.stringify(facts));
await flame(() => console.log("said there"), { pool: far });
await far.close();
console.log("closed");
`,
    );
    const { code, stdout, stderr } = await script.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [, facts] = /^facts (.*)$/m.exec(stdout) ?? [];
    expect(JSON.parse(facts!)).toEqual({
      answer: 42,
      folder: bench.application.folder,
      home: "/home/tinderbox",
      root: false,
    });
    expect(stdout).toMatch(/^\[far-1 .*\] said there$/m);
    const phases = [...stdout.matchAll(/^boot\.phase .*"phase":"(\w+)","ms":([\d.]+)/gm)];
    expect(phases.map(([, phase]) => phase)).toEqual([
      "requested",
      "launched",
      "booted",
      "fetched",
      "verified",
      "started",
      "connected",
      "ready",
    ]);
    const times = phases.map(([, , ms]) => Number(ms));
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    expect(stdout).toContain("closed");
    await noMachineLeft(bench, 10_000);
  },
);

test("several executors of one machine, one of which dies alone", { timeout: 120_000 }, async () => {
  const script = startParent(
    bench,
    `
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const pids = await Promise.all([1, 2].map(() => flame(async () => { await new Promise((r) => setTimeout(r, 300)); return process.pid; }, { pool: far })));
const dying = flame(() => process.exit(3), { pool: far }).catch((error) => error);
const living = flame(async () => { await new Promise((r) => setTimeout(r, 1000)); return "lives"; }, { pool: far });
const error = await dying;
console.log("two", new Set(pids).size, error.code, error.scope, error.exitCode, await living);
await far.close();
`,
    { pool: { processes: 2 } },
  );
  const { code, stdout, stderr } = await script.finished;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^two 2 ERR_TINDERBOX_RUNNER_LOST process 3 lives$/m);
  await noMachineLeft(bench, 10_000);
});

test(
  "machines that are asked for in one turn come by one request, and its secrets are in no user data, tag or console",
  { timeout: 120_000 },
  async () => {
    const before = bench.site.cloud.callsOf("CreateFleet").length;
    const seen = bench.site.cloud.instances().length;
    const script = startParent(
      bench,
      `
const all = await Promise.all([1, 2, 3].map(() => flame(async () => { await new Promise((r) => setTimeout(r, 500)); return process.env.TOKEN; }, { pool: far })));
console.log("tokens", all.join());
await far.close();
`,
      { pool: { max: 3, secrets: { TOKEN: "very-secret-word" } } },
    );
    const { code, stdout, stderr } = await script.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^tokens very-secret-word,very-secret-word,very-secret-word$/m);
    expect(bench.site.cloud.callsOf("CreateFleet").length - before).toBe(1);
    const made = bench.site.cloud.instances().slice(seen);
    expect(made).toHaveLength(3);
    for (const { id, userData, tags } of made) {
      const console = bench.site.cloud.machine(id)?.console() ?? "";
      for (const text of [userData.toString(), JSON.stringify(tags), console])
        expect(text).not.toContain("very-secret-word");
    }
    await noMachineLeft(bench, 10_000);
  },
);

test.each(["runner", "parent"])(
  "where the %s dials, a notice of the market makes a runner leave, and another comes",
  { timeout: 180_000 },
  async (dial) => {
    const { cloud } = bench.site;
    const before = cloud.instances().length;
    const script = startParent(
      bench,
      `
const first = flame(async () => { console.log("in it"); await new Promise((resolve) => setTimeout(resolve, 12000)); return "finished"; }, { pool: far });
await new Promise((resolve) => events.on("runner.draining", resolve));
console.log("first", await first);
console.log("second", await flame(() => "elsewhere", { pool: far }));
await far.close();
`,
      { ec2: { dial }, pool: { max: 2, bootTimeout: "90s" } },
    );
    await script.see(/\] in it/, { within: 120_000 });
    const { id } = cloud.instances()[before]!;
    cloud.interrupt(id, 60_000);
    const { code, stdout, stderr } = await script.finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^first finished$/m);
    expect(stdout).toMatch(/^second elsewhere$/m);
    expect(stdout).toMatch(/runner\.gone .*"reason":"its spot notice: the machine is taken away in \d+ s"/);
    await noMachineLeft(bench, 20_000);
  },
);
