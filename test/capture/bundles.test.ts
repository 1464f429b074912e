import { test } from "vitest";
import { hasPlugin } from "./bundlers.ts";
import { cases } from "./cases/index.ts";
import { testCases } from "./check.ts";
import { bundles } from "./front-ends.ts";

if (hasPlugin) testCases(cases, bundles);
else test.skip("bundles (not here: src/plugin.ts is not there yet)", () => undefined);
