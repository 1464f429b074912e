/**
 * What becomes of a closure and its arguments: called with the context; with the arguments; with each of them, which are
 * a batch, and the context, one after another; or with the context, and what it returns stays on the runner. `cast`: as plain, and its
 * acceptance is told before it begins.
 */
export const callModes = ["plain", "apply", "each", "place", "cast"] as const;
export type CallMode = (typeof callModes)[number];
