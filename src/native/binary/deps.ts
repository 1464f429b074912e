/** What binaries are made with: handed in by the composition root, so that tests can hand in something else. */
import type { Events } from "../../events/index.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StartProgram } from "../program.ts";
import type { Sources } from "./source.ts";

export interface BinaryDeps {
  readonly clock: Clock;
  readonly events: Events;
  readonly startProgram: StartProgram;
  readonly sources: Sources;
  /** Live calls, by how many more or less there are: they keep the process alive. */
  live(change: 1 | -1): void;
}
