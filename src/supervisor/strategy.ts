/** Who is started again, with whom, and when a supervisor ends: decisions without any effect. */
import { MaxRestartIntensityError } from "../errors.ts";
import type { ExitReason } from "../ports/child.ts";
import type { AutoShutdown, ResolvedSpec } from "./spec.ts";

/** Which children are started again together. */
export type Strategy = "one_for_one" | "one_for_all" | "rest_for_one";

type Judged = Pick<ResolvedSpec, "restart" | "type">;

/** Its work was done, or it was told to stop: no error. A supervisor that gave up says `shutdown`, as OTP's. */
export function isClean(reason: ExitReason, { type }: Judged): boolean {
  if (reason === "normal" || reason === "shutdown") return true;
  return type === "supervisor" && MaxRestartIntensityError.is(reason);
}

/** Whether a child that ended by itself is started again. */
export function comesBack(reason: ExitReason, spec: Judged): boolean {
  switch (spec.restart) {
    case "permanent":
      return true;
    case "transient":
      return !isClean(reason, spec);
    case "temporary":
      return false;
  }
}

/** Those that go down and come up with `failed`, itself among them, in the order of their start. */
export function affectedBy<T>(strategy: Strategy, children: readonly T[], failed: T): readonly T[] {
  switch (strategy) {
    case "one_for_one":
      return [failed];
    case "one_for_all":
      return children;
    case "rest_for_one":
      return children.slice(children.indexOf(failed));
  }
}

/** Whether the supervisor ends too, now that `ended` has ended by itself and does not come back. */
export function endsSupervisor(
  autoShutdown: AutoShutdown,
  ended: Pick<ResolvedSpec, "significant">,
  others: readonly { readonly spec: Pick<ResolvedSpec, "significant">; readonly wanted: boolean }[],
): boolean {
  if (!ended.significant) return false;
  switch (autoShutdown) {
    case "never":
      return false;
    case "any_significant":
      return true;
    case "all_significant":
      return !others.some(({ spec, wanted }) => spec.significant && wanted);
  }
}
