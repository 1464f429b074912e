/** Backends whose runners are a part of this process: for tests. */
import { type MemoryBackend, type MemoryOptions, type MemoryWiring, memoryBackend } from "../backends/memory.ts";
import { systemClock } from "../clock.ts";
import { refuseUnknown } from "../options.ts";
import type { Backend } from "../ports/backend.ts";
import { nestedCalls } from "../runtime.ts";
import { memoryTransport } from "../transport/memory.ts";
import { InlineAgent } from "./inline/agent.ts";
import type { Surroundings } from "./inline/line.ts";

/**
 * Runs closures in this very process, after captures, arguments and result have made the same way as to a machine: they are
 * copies, what cannot travel is refused, errors keep their classes. What the closure imports is what its file has imported here,
 * so that mocks work. `TINDERBOX_BACKEND=inline` in the environment gives it to every pool, whatever that says.
 *
 * There is no isolation: one thread, one environment, one set of modules. `process.exit` ends the test, and a closure that
 * blocks the event loop blocks all, its own `timeout` included.
 *
 * @example
 * const media = pool("media", { backend: inline() });
 */
export function inline(): Backend {
  return inlineFor(nestedCalls);
}

/** The same for another copy of the package, which makes the calls of its closures itself. */
export function inlineFor(nested: typeof nestedCalls): Backend {
  return build("inline", { defaults: { concurrency: 16 } }, nested);
}

/**
 * As `inline()`, and its machines are in the hands of the test: boots take time or fail, machines crash, freeze, print, or are
 * about to be taken away.
 *
 * @throws TypeError for options that make no sense.
 * @example
 * const backend = memory({ bootMs: 50, failure: (boot) => (boot === 1 ? new Error("no capacity") : undefined) });
 * const media = pool("media", { backend, max: 2 });
 * const answer = flame(() => 42, { pool: media });
 * // ... once it runs:
 * backend.machines[1]?.crash();
 */
export function memory(options: MemoryOptions = {}): MemoryBackend {
  refuseUnknown(options, ["bootMs", "failure", "defaults"], "memory");
  return build("memory", options);
}

function build(name: string, options: MemoryOptions, nested = nestedCalls): MemoryBackend {
  const { listen, dial } = memoryTransport();
  const around: Surroundings = { dial, nest: (call) => nested.run!(call) };
  const start: MemoryWiring["start"] = (request, exited) => new InlineAgent(request, around, exited);
  return memoryBackend({ name, clock: systemClock, listen, start }, options);
}
