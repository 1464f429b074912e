import { afterEach, expect, test, vi } from "vitest";
import { Events } from "../src/events/index.ts";
import { printRunnerOutput, printable } from "../src/print.ts";

afterEach(() => void vi.restoreAllMocks());

test.each([
  ["plain text", "plain text"],
  ["tab\tstays", "tab\tstays"],
  ["é 漢 😀", "é 漢 😀"],
  ["\u001b[31mred\u001b[0m", "\u001b[31mred\u001b[0m"],
  ["\u001b[38;5;196mred\u001b[m", "\u001b[38;5;196mred\u001b[m"],
  ["\u001b[2J", "\\x1b[2J"],
  ["\u001b[1;1H", "\\x1b[1;1H"],
  ["\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
  ["\u001b]8;;http://x\u001b\\", "\\x1b]8;;http://x\\x1b\\"],
  ["\u009b2J", "\\x9b2J"],
  ["over\rwritten", "over\\x0dwritten"],
  ["back\bspace", "back\\x08space"],
  ["two\nlines", "two\\x0alines"],
  ["\u0000\u007f\u0085", "\\x00\\x7f\\x85"],
  ["\u001b[31", "\\x1b[31"],
  ["\u001b\u001b[31m", "\\x1b\u001b[31m"],
  ["\u001b[31;\u001b[2Jm", "\\x1b[31;\\x1b[2Jm"],
  ["a\u202eb\u2028c\u2066", "a\\u202eb\\u2028c\\u2066"],
])("%j is printed as %j", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test("no text leaves a control character but tabs and colours", () => {
  const all = Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code)).join("");
  expect(printable(all).match(/\p{Cc}/gu)).toEqual(["\t"]);
});

function lab() {
  const events = new Events();
  printRunnerOutput(events);
  const written = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    });
  }
  return { events, written };
}

test("each line stands on its stream, marked with runner, name and number of the call", () => {
  const { events, written } = lab();
  const log = { pool: "media", runner: "media-3" };
  events.emit("runner.log", { ...log, call: 0, name: "", stream: "stdout", line: "booting" });
  events.emit("runner.log", { ...log, call: 7, name: "", stream: "stdout", line: "working" });
  events.emit("runner.log", { ...log, call: 8, name: "thumb", stream: "stderr", line: "oops" });
  expect(written).toEqual({
    stdout: "[media-3] booting\n[media-3 call#7] working\n",
    stderr: "[media-3 thumb#8] oops\n",
  });
});

test("neither a line nor a name can forge another line", () => {
  const { events, written } = lab();
  const forged = "x\n[media-1] forged\r";
  events.emit("runner.log", { pool: "p", runner: "media-3", call: 1, name: forged, stream: "stdout", line: forged });
  expect(written.stdout.match(/\n/g)).toHaveLength(1);
  expect(written.stdout).not.toContain("\r");
});
