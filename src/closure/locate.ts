/** Finds the unit of a function value: as it was sent here, by its stamp, else by the inspector. */
import { isNative } from "./classes.ts";
import { inspect } from "./inspect.ts";
import { sentFunction } from "./sent-units.ts";
import { registry } from "./stamp.ts";
import { type Unit, stampedFile, unitOf } from "./units.ts";

/** A function seen by us: its unit, and a way to read its variables. */
export interface Located {
  readonly unit: Unit;
  read(name: string): unknown;
}

export type CaptureMode = "transform" | "runtime" | "auto";

/** `TINDERBOX_CAPTURE` pins one way to capture; anything else is an error, so that a typo is not a silent default. */
export function captureMode(): CaptureMode {
  return (pinned ??= readMode());
}

let pinned: CaptureMode | undefined;

function readMode(): CaptureMode {
  const mode = process.env["TINDERBOX_CAPTURE"];
  if (mode === undefined || mode === "" || mode === "auto") return "auto";
  if (mode === "transform" || mode === "runtime") return mode;
  throw new TypeError(`Cannot use TINDERBOX_CAPTURE=${mode}: transform, runtime or auto is wanted`);
}

/** Where a function is from; undefined when neither a stamp nor the inspector knows. */
export function locate(fn: object): Located | undefined {
  const received = sentFunction(fn);
  if (received) return received;
  const mode = captureMode();
  const stamped = mode === "runtime" ? undefined : registry.get(fn);
  if (stamped) {
    const file = stampedFile(stamped.key);
    if (file) {
      const values = stamped.thunk;
      let read: Record<string, unknown> | undefined;
      // A function may make many classes of one declaration: the one that travelled last is what comes back.
      if (file.classes.has(stamped.index)) file.classes.set(stamped.index, fn);
      return { unit: unitOf(file, stamped.index), read: (name) => (read ??= values?.() ?? {})[name] };
    }
  }
  if (mode === "transform" || isNative(fn)) return undefined;
  const inspected = inspect(fn);
  if (!inspected) return undefined;
  const unit = unitOf(inspected.file, inspected.index);
  if (unit.info?.kind === "class") inspected.file.classes.set(inspected.index, fn);
  return { unit, read: inspected.read };
}
