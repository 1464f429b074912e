/** local() for the suite; other processes load this module to be its parents. */
import { localBackend } from "../../src/backends/local.ts";
import { local } from "../../src/runtime.ts";
import { type BackendUnderTest, processAlive } from "../../src/testing.ts";
import { listenUnix } from "../../src/transport/unix.ts";

export function make(): BackendUnderTest {
  const agent = new URL("../../runners/agent.ts", import.meta.url);
  // A name that no system takes: nothing is started.
  const spawning = localBackend({ agent, listen: (accept) => listenUnix(accept) });
  const impossible = {
    ...spawning,
    boot: (request: Parameters<typeof spawning.boot>[0]) => spawning.boot({ ...request, env: { WORD: "\0" } }),
  };
  return {
    backend: local(),
    impossible: { backend: impossible, permanent: false },
    isAlive: (machine, pid) => processAlive(pid ?? Number(machine)),
  };
}
