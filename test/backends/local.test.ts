import { test } from "vitest";
import { testBackend } from "../../src/testing.ts";
import { make } from "./local-under-test.ts";

testBackend("local", make, { test, module: new URL("./local-under-test.ts", import.meta.url) });
