/** How machines show who they are when they come, and stay for what they run when their parent goes: with machines that boot. */
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { removeFoldersOf } from "../../src/scratch.ts";
import { makeIdentityKeys } from "../harness/cloud/machines/identity.ts";
import { until } from "../harness/until.ts";
import { noMachineLeft, startParent, useBench } from "./bench.ts";

const bench = useBench();

test(
  "a machine whose document the region's key has signed is let in; one of another cloud is not",
  { timeout: 240_000 },
  async () => {
    const foreign = await makeIdentityKeys();
    const own = startParent(
      bench,
      `
console.log("answer", await flame(() => 42, { pool: far }));
await far.close();
`,
      {
        ec2: { identityCertificates: [foreign.certificate, bench.site.machines.certificate] },
        pool: { bootTimeout: "90s" },
      },
    );
    const { stdout, code } = await own.finished;
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining("answer 42") as string });
    expect(stdout).not.toContain("backend.trouble");

    const wrong = startParent(
      bench,
      `
const error = await flame(() => 42, { pool: far, retries: 0 }).catch((error) => error);
console.log("failed", error.code);
await far.close();
`,
      { ec2: { identityCertificates: [foreign.certificate] }, pool: { bootTimeout: "40s" } },
    );
    await wrong.see(
      /backend\.trouble .*Cannot let i-\w+ in: none of the certificates has signed its identity document/,
      {
        within: 90_000,
      },
    );
    wrong.kill();
    await wrong.finished;
    await noMachineLeft(bench, 60_000);
  },
);

test(
  "a machine whose parent is killed stays until the call that it runs has ended, and no longer",
  { timeout: 240_000 },
  async () => {
    const script = startParent(
      bench,
      `
await flame(async () => { console.log("in it"); await new Promise((r) => setTimeout(r, 20_000)); }, { pool: far });
`,
      { pool: { bootTimeout: "90s" } },
    );
    await script.see(/in it/, { within: 120_000 });
    const { id } = bench.site.cloud.instances().at(-1)!;
    script.kill("SIGKILL");
    // As the next parent on this computer would do it.
    onTestFinished(() => removeFoldersOf(tmpdir(), script.pid));
    const killed = performance.now();
    const off = () => bench.site.cloud.instances().some((one) => one.id === id && one.state === "terminated");
    await until("the end of the machine", off, { within: 60_000 });
    // Five seconds pass until it knows that its parent is gone.
    expect(performance.now() - killed).toBeGreaterThan(15_000);
  },
);
