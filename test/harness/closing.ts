import type { Backend } from "../../src/ports/backend.ts";

/** One that is only asked for a machine: what it has opened for that goes with its listener. */
export function closing(backend: Backend): Backend {
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
