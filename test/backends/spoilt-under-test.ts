/** A backend with the vice that the query of this module's URL names; other processes load it to be parents. */
import type { BackendUnderTest } from "../../src/testing.ts";
import { makeSpoilt } from "./mutants.ts";

export function make(): BackendUnderTest {
  return makeSpoilt(new URL(import.meta.url).searchParams.get("vice") ?? "");
}
