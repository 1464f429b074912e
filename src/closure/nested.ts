/** A call that a closure makes on a runner: what the agent is handed, and what stands for classes in its result. */
import type { CapturedValue } from "./capture.ts";
import { ReceiveHooks } from "./receive.ts";
import { type UnitModule, unitByNumber } from "./units.ts";

export interface NestedRequest {
  readonly mode: string;
  /** As the user has given them: the parent fills in what its pool says. */
  readonly given: object;
  readonly captured: CapturedValue;
  readonly args: CapturedValue | undefined;
  /** Code of a unit that the parent may not know. */
  readonly module: (unit: number) => UnitModule;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** All units that this process knows: those that it was sent, and those that it has made. */
const known = { has: (unit: number) => unitByNumber(unit) !== undefined } as ReadonlySet<number>;
const hooks = new ReceiveHooks(known);

/** The class that another runner's result names. */
export function nestedHandle(data: unknown): unknown {
  return hooks.handle("class", data);
}
