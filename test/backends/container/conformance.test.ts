/** What every backend has to do, over containers. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { testBackend } from "../../../src/testing.ts";
import { available, noContainerLeft, useBench } from "./bench.ts";
import { make, optionsName } from "./under-test.ts";

describe.skipIf(!available)("in containers", () => {
  const bench = useBench();
  beforeAll(() => Object.assign(process.env, { [optionsName]: JSON.stringify(bench.options) }));
  afterAll(() => noContainerLeft(bench), 20_000);

  const isAlive = async (id: string, pid?: number): Promise<boolean> => {
    if (pid !== undefined) return [...(await bench.engine.processes(id)).values()].includes(pid);
    return (await bench.engine.containers()).includes(id);
  };
  testBackend("container", () => ({ ...make(), isAlive }), {
    test,
    module: new URL("./under-test.ts", import.meta.url),
  });
});
