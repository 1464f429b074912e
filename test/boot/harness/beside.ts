/** Tests of one file beside each other: most of a boot, above all of one that goes wrong, is waiting. */
import { AsyncLocalStorage } from "node:async_hooks";
import { aroundEach, type TestContext, vi } from "vitest";
import * as hooks from "../../harness/hooks.ts";

const running = new AsyncLocalStorage<TestContext>();

/** Once at the top of a file whose tests are `concurrent`: what each starts ends with it. Each has less of the processor than alone. */
export function besideEachOther(): void {
  vi.setConfig({ testTimeout: 90_000 });
  aroundEach((runTest, context) => running.run(context, runTest));
}

/** As those of the harness, which know one running test only. */
export function whenTestEnds(action: () => void | Promise<void>): void {
  const context = running.getStore();
  if (context) context.onTestFinished(action);
  else hooks.whenTestEnds(action);
}

export function whenTestFails(action: () => void): void {
  const context = running.getStore();
  if (context) context.onTestFailed(action);
  else hooks.whenTestFails(action);
}
