import { expect, test } from "vitest";
import { LastWords, endOf } from "../../src/pool/exits.ts";

function words(...lines: string[]): LastWords {
  const last = new LastWords();
  for (const line of lines) last.add(line);
  return last;
}

const full = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";
const frames = Array.from({ length: 30 }, (_, index) => `${index}: 0x75968e node::OOMErrorHandler`);

test.each([
  ["an exit code", { exitCode: 3 }, words(), "exit code 3", false],
  ["a signal", { signal: "SIGSEGV" }, words(), "signal SIGSEGV", false],
  ["nothing that the system knows", {}, words(), "exit code unknown", false],
  ["a full heap", { signal: "SIGABRT" }, words(full), "out of memory (signal SIGABRT)", true],
  ["a full heap under a shell", { exitCode: 134 }, words(full), "out of memory (exit code 134)", true],
  [
    "a full heap with a long stack",
    { signal: "SIGABRT" },
    words(full, ...frames),
    "out of memory (signal SIGABRT)",
    true,
  ],
  ["an abort of another kind", { signal: "SIGABRT" }, words("Aborted"), "signal SIGABRT", false],
  ["a program that only speaks of it", { exitCode: 1 }, words(full), "exit code 1", false],
])("%s is told as what it is", (_, exit, last, reason, oom) => {
  expect(endOf(exit, undefined, last)).toMatchObject({ reason, oom, ...exit });
});

test("what we know better counts before what the system says", () => {
  const end = endOf({ signal: "SIGKILL" }, "heartbeat lost", words("last", "words"));
  expect(end).toEqual({ signal: "SIGKILL", reason: "heartbeat lost", oom: false, stderr: ["last", "words"] });
});

test("twenty lines are kept", () => {
  expect(endOf({}, undefined, words(...frames)).stderr).toEqual(frames.slice(-20));
});
