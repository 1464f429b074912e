/** What a runner keeps up besides calls: its own tree of supervision, with the children that its pool was given. */
import { systemClock } from "../src/clock.ts";
import { place } from "../src/context.ts";
import { events } from "../src/events/index.ts";
import { count, join } from "../src/lifecycle.ts";
import type { ChildSpec } from "../src/ports/child.ts";
import { supervisorSpec } from "../src/supervisor/supervisor.ts";

/** Their workers are there before the first call asks for them. */
async function startBinaries(binaries: readonly ChildSpec[]): Promise<void> {
  const signal = new AbortController().signal;
  await Promise.all(binaries.map((binary) => binary.start({ signal })));
}

/** When it gives up, that is an unhandled rejection: a fault of this runner, which is then replaced. */
async function startChildren(children: readonly ChildSpec[]): Promise<void> {
  const id = "children";
  const tree = await supervisorSpec({ id, children }, { clock: systemClock, events }).start();
  const since = systemClock.wall();
  join({
    kind: "tree",
    describe: () => ({ id, type: "supervisor", status: "running", restarts: 0, since, ...tree.describe() }),
    stop: () => tree.stop(),
  });
  count(1);
}

place.handles.set("binaries", (specs) => () => startBinaries(specs as readonly ChildSpec[]));
place.handles.set("children", (specs) => () => startChildren(specs as readonly ChildSpec[]));
