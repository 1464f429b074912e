/** A runner as people see it in a tree. */
import type { Branch } from "../ports/child.ts";
import type { Lane } from "./lane.ts";

export interface RunnerFacts {
  readonly id: string;
  /** "draining", "ready", or the phase of its boot. */
  readonly state: string;
  readonly machine: string | undefined;
  readonly since: number;
  readonly calls: number;
  readonly lanes: readonly Lane[];
}

export function runnerBranch({ id, state, machine, since, calls, lanes }: RunnerFacts): Branch {
  const busy = lanes.reduce((sum, lane) => sum + lane.busy, 0);
  const facts = [state, ...(machine === undefined ? [] : [`machine ${machine}`]), `${busy} busy`, `${calls} calls`];
  const own = { type: "supervisor", restarts: 0, since } as const;
  return {
    ...own,
    id,
    status: state === "draining" ? "stopping" : state === "ready" ? "running" : "starting",
    detail: facts.join(", "),
    children:
      lanes.length === 1
        ? lanes[0]!.tree
        : lanes.map((lane) => ({
            ...own,
            id: `executor ${lane.number}`,
            status: lane.ready ? "running" : "starting",
            detail: `${lane.busy} busy`,
            children: lane.tree,
          })),
  };
}
