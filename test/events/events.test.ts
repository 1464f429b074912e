import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { type EventMap, Events } from "../../src/events/index.ts";

const ready: EventMap["runner.ready"] = { pool: "media", runner: "media-1", machine: "1", ms: 5 };

function lab() {
  const events = new Events();
  const failures: EventMap["hook.failed"][] = [];
  events.on("hook.failed", (event) => failures.push(event));
  return { events, failures, emit: () => events.emit("runner.ready", ready) };
}

test("every listener of a name gets the event itself, in order of registration", () => {
  const { events, emit } = lab();
  const seen: unknown[] = [];
  events.on("runner.ready", (event) => seen.push(["first", event]));
  events.on("runner.ready", (event) => seen.push(["second", event]));
  events.on("runner.gone", () => seen.push("another"));
  emit();
  expect(seen).toEqual([
    ["first", ready],
    ["second", ready],
  ]);
});

test("an event that nobody listens to is nothing", () => {
  expect(() => lab().emit()).not.toThrow();
});

test("has() tells whether anybody listens to that name", () => {
  const { events } = lab();
  expect(events.has("runner.ready")).toBe(false);
  const off = events.on("runner.ready", () => undefined);
  expect([events.has("runner.ready"), events.has("runner.gone")]).toEqual([true, false]);
  off[Symbol.dispose]();
  expect(events.has("runner.ready")).toBe(false);
});

describe("a listener ends", () => {
  test("when its handle is disposed, which may happen twice", () => {
    const { events, emit } = lab();
    let calls = 0;
    const off = events.on("runner.ready", () => void calls++);
    emit();
    off[Symbol.dispose]();
    off[Symbol.dispose]();
    emit();
    expect(calls).toBe(1);
  });

  test("when its signal aborts, and never begins with one that has", () => {
    const { events, emit } = lab();
    const controller = new AbortController();
    let calls = 0;
    events.on("runner.ready", () => void calls++, { signal: controller.signal });
    emit();
    controller.abort();
    emit();
    events.on("runner.ready", () => void calls++, { signal: controller.signal });
    emit();
    expect(calls).toBe(1);
    expect(events.has("runner.ready")).toBe(false);
  });

  test("and leaves nothing on its signal", () => {
    const { events } = lab();
    const { signal } = new AbortController();
    for (let index = 0; index < 100; index++) events.on("runner.ready", () => undefined, { signal })[Symbol.dispose]();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("at once, even within the event that ends it", () => {
    const { events, emit } = lab();
    let calls = 0;
    events.on("runner.ready", () => later[Symbol.dispose]());
    const later = events.on("runner.ready", () => void calls++);
    emit();
    expect(calls).toBe(0);
  });
});

test("a listener that was registered twice is called twice, and each handle ends one", () => {
  const { events, emit } = lab();
  let calls = 0;
  const listener = (): void => void calls++;
  const first = events.on("runner.ready", listener);
  events.on("runner.ready", listener);
  emit();
  expect(calls).toBe(2);
  first[Symbol.dispose]();
  emit();
  expect(calls).toBe(3);
});

test("a listener that comes during an event waits for the next one", () => {
  const { events, emit } = lab();
  let calls = 0;
  let once = true;
  events.on("runner.ready", () => {
    if (once) events.on("runner.ready", () => void calls++);
    once = false;
  });
  emit();
  expect(calls).toBe(0);
  emit();
  expect(calls).toBe(1);
});

describe("a listener that fails", () => {
  test("becomes an event, and the others get theirs", () => {
    const { events, failures, emit } = lab();
    const error = new Error("broken");
    let calls = 0;
    events.on("runner.ready", () => {
      throw error;
    });
    events.on("runner.ready", () => void calls++);
    expect(emit).not.toThrow();
    expect(calls).toBe(1);
    expect(failures).toEqual([{ event: "runner.ready", error }]);
    expect(failures[0]!.error).toBe(error);
  });

  test("becomes an event as well when it is async: nothing is left unhandled", async () => {
    const { events, failures, emit } = lab();
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const error = new Error("broken later");
    events.on("runner.ready", async () => {
      await Promise.resolve();
      throw error;
    });
    emit();
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(failures).toEqual([{ event: "runner.ready", error }]);
    expect(unhandled).toEqual([]);
  });

  test("while it listens to failures is left alone, not told again and again", () => {
    const { events, failures } = lab();
    events.on("hook.failed", () => {
      throw new Error("broken too");
    });
    events.on("runner.ready", () => {
      throw new Error("broken");
    });
    events.emit("runner.ready", ready);
    expect(failures).toHaveLength(1);
  });
});
