/** container() for the suite, by what its environment says; other processes load this module to be its parents. */
import { container, type ContainerOptions } from "../../../src/container.ts";
import type { Backend } from "../../../src/ports/backend.ts";
import type { BackendUnderTest } from "../../../src/testing.ts";

export const optionsName = "TEST_CONTAINER_OPTIONS";

export function make(): BackendUnderTest {
  const options = JSON.parse(process.env[optionsName]!) as ContainerOptions;
  const backend = closing(container({ ...options, network: "no-such-network" }));
  return { backend: container(options), impossible: { backend, permanent: true } };
}

/** One that is only asked for a machine: what it has opened for that goes with its listener. */
function closing(backend: Backend): Backend {
  return {
    ...backend,
    async boot(request) {
      const listener = await backend.listen((connection) => connection.destroy());
      try {
        return await backend.boot(request);
      } finally {
        listener.close();
      }
    },
  };
}
