/** Calls whose closures fail by errors of their own. */
import { flame } from "tinderbox";
import type { Start } from "./job.ts";
import { work } from "./on-runner.ts";

/** Thrown by closures on purpose; travels as itself. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly ticket: number;
  constructor(ticket: number) {
    super(`Cannot serve ticket ${ticket}: it is one that fails`);
    this.ticket = ticket;
  }
}

export const refuse: Start = (slip, options, random) => {
  const ticket = random.between(0, 1_000_000);
  const result = flame(
    (on) =>
      work(on, slip, () => {
        throw new Refusal(ticket);
      }),
    options,
  );
  const rightError = (error: unknown): boolean =>
    error instanceof Refusal && error.ticket === ticket && /\n\s+at flame \(runner /.test(error.stack ?? "");
  return { result, rightError };
};

/** Fails at first, by an error of its own; made with two retries. */
export const flaky: Start = (slip, options, random) => {
  const failures = random.between(0, 3);
  const result = flame(
    (on) =>
      work(on, slip, () => {
        if (on.runner.attempt < failures) throw new Refusal(on.runner.attempt);
        return failures;
      }),
    options,
  );
  return { result, rightValue: (value) => value === failures };
};
