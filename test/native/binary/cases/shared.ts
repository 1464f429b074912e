import { binary } from "tinderbox";

/** Declared on whichever side imports this. */
export const shared = binary("case-shared", { command: "cat", protocol: "lines" });
