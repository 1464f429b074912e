/** What runs on each executor before its first call: binaries are got ready, then `setup` runs, then children are started. */
import { type CapturedValue, capture, captureAlone } from "../closure/capture.ts";
import { standFor } from "../value/port.ts";
import type { ResolvedPoolOptions } from "./options.ts";

/** Throws `CaptureError` when one of them reaches what cannot travel. */
export function prepareSetup(
  options: Pick<ResolvedPoolOptions, "binaries" | "setup" | "children">,
): (executor: number) => readonly CapturedValue[] {
  const { binaries, setup, children } = options;
  const steps: CapturedValue[] = [];
  if (binaries.length > 0)
    steps.push(
      captureAlone(
        standFor(() => {}, "binaries", binaries),
        "binaries",
      ),
    );
  if (setup) steps.push(capture(setup));
  // A machine has them once: with its first executor they come and go.
  const first = [...steps];
  if (children.length > 0)
    first.push(
      captureAlone(
        standFor(() => {}, "children", children),
        "children",
      ),
    );
  return (executor) => (executor === 0 ? first : steps);
}
