/**
 * `tinderbox/testing`: runners within the process of a test, time that a test moves, and the suites that a backend or a store
 * of somebody else has to pass.
 *
 * @example
 * import { pool } from "tinderbox";
 * import { inline } from "tinderbox/testing";
 * const media = pool("media", { backend: inline() });
 */
export { inline, memory } from "./testing/inline.ts";
export type { MemoryBackend, MemoryMachine, MemoryOptions } from "./backends/memory.ts";
export { FakeClock } from "./testing/fake-clock.ts";
export type { Clock, Timer } from "./ports/clock.ts";
export {
  type BackendSuiteOptions,
  type MakeBackend,
  backendCases,
  failingBackendCases,
  processAlive,
  testBackend,
} from "./testing/backend.ts";
export type { BackendCase, BackendUnderTest } from "./testing/backend/subject.ts";
export type { Case, Failed, SuiteOptions, Test, TestContext } from "./testing/suite.ts";
export {
  type OpenStore,
  type StoreSuiteOptions,
  type StoreUnderTest,
  failingStoreCases,
  storeCases,
  testStore,
} from "./testing/store.ts";
export type { StoreCase } from "./testing/store/subject.ts";
