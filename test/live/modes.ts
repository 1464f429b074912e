/** Makes tests of the cases of a file, one for each front end. */
import { fileURLToPath } from "node:url";
import { type Pool, pool } from "tinderbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningScript, startScript } from "../harness/script.ts";
import type { Case } from "./case.ts";
import { runCase } from "./run-case.ts";

const program = fileURLToPath(new URL("./program.ts", import.meta.url));

const programs = [
  { front: "runtime capture, no flag", env: { TINDERBOX_CAPTURE: "runtime" }, execArgv: [] },
  {
    front: "transform by the load hook",
    env: { TINDERBOX_CAPTURE: "transform" },
    execArgv: ["--import", "tinderbox/register"],
  },
];

/** `file` is the module that exports `cases`, from the test's own URL. */
export function inAllModes(cases: readonly Case[], file: URL): void {
  describe("transform by the plugin", () => {
    let own: Pool;
    beforeAll(() => void (own = pool("live", { max: 1, concurrency: 2 })));
    afterAll(() => own.close());
    test.each(cases)(
      "$name",
      async (each) => {
        await expect(runCase(each, own)).resolves.toBeUndefined();
      },
      60_000,
    );
  });

  describe.each(programs)("$front", ({ env, execArgv }) => {
    let script: RunningScript;
    beforeAll(() => {
      script = startScript(program, { args: [fileURLToPath(file)], env, execArgv, timeout: 240_000 });
    });
    afterAll(async () => {
      await script.finished;
    });
    test.each(cases)(
      "$name",
      async ({ name }) => {
        const pattern = new RegExp(`^case (\\{"name":${escape(JSON.stringify(name))}.*\\})$`, "m");
        const [, line] = await script.see(pattern, { within: 230_000 });
        const { error } = JSON.parse(line!) as { error?: string };
        expect(error).toBeUndefined();
      },
      250_000,
    );
  });
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
