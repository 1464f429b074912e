import { cases } from "./cases/index.ts";
import { testCases } from "./check.ts";
import { bundles } from "./front-ends.ts";

testCases(cases, bundles);
