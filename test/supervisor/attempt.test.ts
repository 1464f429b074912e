import { expect, test } from "vitest";
import { Events } from "../../src/events/index.ts";
import type { Child, ExitReason } from "../../src/ports/child.ts";
import { supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { FakeClock } from "../harness/fake-clock.ts";

function obedient(): Child {
  const { promise, resolve } = Promise.withResolvers<ExitReason>();
  return { exited: promise, stop: () => resolve("shutdown") };
}

test.each(Array.from({ length: 20 }, (_, turns) => turns))(
  "a start that is called off after %i turns forgets no child that has come up and gone",
  async (turns) => {
    const clock = new FakeClock();
    const events = new Events();
    const forgotten: string[] = [];
    events.on("child.forgotten", ({ why }) => forgotten.push(why));
    const children = ["a", "b"].map((id) => ({ id, start: async () => obedient() }));
    const abort = new AbortController();
    const starting = supervisorSpec({ children }, { clock, events }).start({ signal: abort.signal });
    const ended = starting.then(
      (supervisor) => supervisor.stop(),
      () => undefined,
    );
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    abort.abort();
    await ended;
    clock.advance(60_000);
    expect(forgotten).toEqual([]);
    expect(clock.pending({ held: true })).toBe(0);
  },
);
