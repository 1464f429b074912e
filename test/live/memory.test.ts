import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runScript } from "../harness/script.ts";
import { cases } from "./cases/memory.ts";

test.each(cases)("a gigabyte in bounds: $name", { timeout: 130_000 }, async ({ run }) => {
  // It judges itself.
  await expect(run({} as never)).resolves.toBeUndefined();
});

test("a gigabyte in bounds, with runtime capture", { timeout: 130_000 }, async () => {
  const [{ name }] = cases as [(typeof cases)[0]];
  const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const { stdout } = await runScript(file("./program.ts"), {
    args: [file("./cases/memory.ts"), name],
    env: { TINDERBOX_CAPTURE: "runtime" },
    timeout: 120_000,
  });
  expect(stdout).toContain(`case ${JSON.stringify({ name })}`);
});
