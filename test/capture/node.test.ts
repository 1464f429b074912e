import { cases } from "./cases/index.ts";
import { testCases } from "./check.ts";
import { frontEnds } from "./front-ends.ts";

testCases(cases, frontEnds);
