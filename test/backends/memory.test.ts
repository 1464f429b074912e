/** Machines that are none pass the suite of those that are, but for what only a process of its own can do. */
import { test } from "vitest";
import { memory, testBackend } from "tinderbox/testing";

const own = "it is a part of this process";
const missing = [
  [
    "the environment is the one that was asked for, and nothing of the parent's leaks",
    "its environment is that of this process",
  ],
  ["a ping brings a beat also while a call blocks the event loop", "what blocks it blocks the test"],
  ["a line that was printed before the connection is heard, of both streams", own],
  ["a line that was printed past the connection is heard, of both streams, each once and in order", own],
  ["a program that a call has started is heard, too", own],
  ["last words are heard, also a line without its end", "process.exit would end the test"],
  ["a machine that exits tells its exit code", "process.exit would end the test"],
  ["a machine whose process dies of a signal tells which", "the signal would end the test"],
  ["kill ends a machine whose event loop is blocked", "what blocks it blocks the test"],
  [
    "exited is not told while the machine is up, and then always tells the same",
    "its programs are those of this process",
  ],
  ["kill ends a machine at once, with everything that it started", "its programs are those of this process"],
  ["what a machine that ended by itself has started is gone with it", "its programs are those of this process"],
  [
    "exitNow ends a machine that is to be killed with its parent, with everything that it started",
    "its programs are those of this process",
  ],
  ["a machine ends by itself at the age that it was given, whatever it runs", "its programs are those of this process"],
  ["a pool: of several executors one dies alone, and another comes for it", "process.exit would end the test"],
  [
    "a pool: a call whose runner is lost fails, or is made again on another where that is allowed",
    "process.exit would end the test",
  ],
  [
    "kill may come again, before the machine is up, and after its end; it never throws",
    "process.exit would end the test",
  ],
].map(([name, reason]) => ({ test: name!, reason: reason! }));

testBackend(
  "memory",
  () => {
    const none = memory({ failure: () => Object.assign(new Error("there is no capacity"), { permanent: true }) });
    return { backend: memory(), impossible: { backend: none, permanent: true } };
  },
  { test, missing },
);
