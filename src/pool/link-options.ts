/** What a runner is booted with, and what its link uses to do so. */
import type { CapturedValue } from "../closure/capture.ts";
import type { Events } from "../events/index.ts";
import type { Backend } from "../ports/backend.ts";
import type { Clock } from "../ports/clock.ts";
import type { Dock } from "../wire/dock.ts";

export interface LinkOptions {
  readonly pool: string;
  readonly id: string;
  readonly number: number;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly onParentLoss: "kill" | "drain";
  readonly processes: number;
  readonly concurrency: number;
  readonly bootTimeoutMs: number;
  /** Age at which the machine ends itself. */
  readonly lifetimeMs: number;
  readonly entry: string | null;
  /** What is run on an executor, by its number, before its first call. */
  readonly setup: (executor: number) => readonly CapturedValue[];
}

export interface LinkDeps {
  readonly backend: Backend;
  readonly dock: Dock;
  readonly clock: Clock;
  readonly events: Events;
  /** Keeps secrets out of what is printed. */
  readonly redact: (text: string) => string;
}
