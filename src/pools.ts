/** The pools that this process has started: a part of its tree, and what shutdown ends. */
import { systemClock } from "./clock.ts";
import { events } from "./events/index.ts";
import { join } from "./lifecycle.ts";
import type { Pool } from "./pool/handle.ts";
import type { ChildSpec } from "./ports/child.ts";
import { type DynamicSupervisor, dynamicSupervisorSpec } from "./supervisor/dynamic.ts";

const started = new Set<Pool>();
let tree: Promise<DynamicSupervisor> | undefined;
let found: DynamicSupervisor | undefined;

/** Called when a pool begins to boot runners. One that a supervisor of the application has started is in that one's tree. */
export function keepPool(pool: Pool, supervised: boolean): void {
  if (!tree) {
    tree = dynamicSupervisorSpec({ id: "pools" }, { clock: systemClock, events }).start();
    void tree.then((supervisor) => (found = supervisor));
    join({
      kind: "pool",
      describe: () => {
        const children = found?.describe().children ?? [];
        const branch = { id: "pools", type: "supervisor", status: "running", restarts: 0, since: 0 } as const;
        return children.length === 0 ? undefined : { ...branch, children };
      },
      look: () => Promise.all([...started].map((each) => each.look())),
      hurry: (timeoutMs) => started.forEach((each) => each.hurry(timeoutMs)),
      stop: (options) => Promise.all([...started].map((each) => each.close(options))),
      rest: () => started.forEach((each) => void each.rest()),
      exitNow: () => started.forEach((each) => each.exitNow()),
    });
  }
  if (started.has(pool)) return;
  started.add(pool);
  if (supervised) return;
  const { id, type, shutdown } = pool;
  const spec: ChildSpec = { id, type, shutdown, restart: "temporary", start: () => pool.child };
  void tree
    .then((supervisor) => supervisor.startChild(spec))
    .catch((error: unknown) => {
      events.emit("hook.failed", { event: `start of pool ${pool.name}`, error });
    });
}
