import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { Progress } from "../../src/flame/map-progress.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { runScript } from "../harness/script.ts";
import { scriptFolder } from "../harness/script-folder.ts";

/** What a terminal shows of what was written to it: carriage returns, line feeds, and two ways to move and erase. */
function screen(written: string): string[] {
  const lines: string[] = [""];
  let [row, column] = [0, 0];
  // oxlint-disable-next-line no-control-regex
  for (const [token, count, command] of written.matchAll(/\u001b\[(\d*)([A-Z])|\r|\n|[^\r\n\u001b]+/g)) {
    if (token === "\r") column = 0;
    else if (token === "\n") lines[++row] ??= "";
    else if (command === "A") row -= Number(count || 1);
    else if (command === "J") lines.splice(row, Infinity, lines[row]!.slice(0, column));
    else if (command) throw new Error(`Cannot show ${JSON.stringify(token)}`);
    else {
      lines[row] = lines[row]!.slice(0, column).padEnd(column) + token + lines[row]!.slice(column + token.length);
      column += token.length;
    }
  }
  return lines;
}

function terminal(isTTY: boolean) {
  const writes: string[] = [];
  return { isTTY, columns: 60, writes, write: (text: string) => void writes.push(text) };
}

test("says how many, how fast, how long it takes and how many failed", () => {
  const clock = new FakeClock();
  const known = new Progress("thumbs", 4_000, terminal(false), clock);
  const unknown = new Progress("", undefined, terminal(false), clock);
  for (const progress of [known, unknown]) progress.start();
  expect(known.text()).toBe("thumbs: 0 of 4,000 (0 %), 0/s");
  for (let n = 0; n < 1_500; n++) for (const progress of [known, unknown]) progress.count(n < 2);
  clock.advance(3_000);
  expect(known.text()).toBe("thumbs: 1,500 of 4,000 (37 %), 500/s, 5.0 s left, 2 failed");
  expect(unknown.text()).toBe("map: 1,500, 500/s, 3.0 s, 2 failed");
  clock.advance(3_600_000);
  expect(known.text()).toBe("thumbs: 1,500 of 4,000 (37 %), 0.4/s, 1 h 40 min left, 2 failed");
  expect(new Progress("none", 0, terminal(false), clock).text(true)).toMatch(/^none: 0 of 0 \(100 %\)/);
});

test("where there is no terminal, it is a line every five seconds and one at the end", () => {
  const clock = new FakeClock();
  const stream = terminal(false);
  const progress = new Progress("plain", 4, stream, clock);
  progress.start();
  clock.advance(4_999);
  expect(stream.writes).toEqual([]);
  progress.count(false);
  clock.advance(5_001);
  expect(stream.writes).toEqual([
    "plain: 1 of 4 (25 %), 0.2/s, 15 s left\n",
    "plain: 1 of 4 (25 %), 0.1/s, 30 s left\n",
  ]);
  progress.end();
  progress.end();
  expect(stream.writes).toHaveLength(3);
  expect(clock.pending()).toBe(0);
});

test("on a terminal it is one line, drawn at most ten times a second, and nothing is left of it but the last", () => {
  const clock = new FakeClock();
  const stream = terminal(true);
  const { write } = stream;
  const progress = new Progress(
    "drawn, under a name that does not fit into the line of a terminal",
    1_000,
    stream,
    clock,
  );
  progress.start();
  for (let step = 0; step < 100; step++) {
    progress.count(false);
    clock.advance(10);
  }
  expect(stream.writes.length).toBeLessThanOrEqual(11);
  expect(screen(stream.writes.join("")).every((line) => line.length < 60)).toBe(true);
  stream.write("from elsewhere\n");
  clock.advance(100);
  progress.end();
  expect(screen(stream.writes.join(""))).toEqual([
    "from elsewhere",
    expect.stringMatching(/^drawn, .*: 100 of 1,000 \(10 %\), 91\/s, 1\.1 s$/),
    "",
  ]);
  expect(stream.write).toBe(write);
});

const program = `import { flame, pool } from "tinderbox";
const own = pool("own", { max: 1, concurrency: 4 });
const work = async (n: number): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, 40));
  if (n % 8 === 0) console.log("runner", n);
  if (n === 13) throw new Error("unlucky");
  return n;
};
const items = Array.from({ length: 32 }, (_, n) => n);
async function one(name: string): Promise<void> {
  for await (const { index } of flame.map(items, work, { pool: own, progress: true, settle: true, name }))
    if (index % 16 === 15) console.log("parent " + index);
}
await Promise.all([one("first"), one("second")]);
process.stdout.write("no end of line");
await own.close();
`;

test("in a program without a terminal it goes to stderr, and only there", async () => {
  const { stdout, stderr } = await runScript(program);
  expect(stdout).not.toContain("first:");
  expect(stderr.split("\n").toSorted()).toEqual([
    "",
    expect.stringMatching(/^first: 32 of 32 \(100 %\), \d+\/s, \d\.\d s, 1 failed$/),
    expect.stringMatching(/^second: 32 of 32 \(100 %\), \d+\/s, \d\.\d s, 1 failed$/),
  ]);
});

test("in a terminal whatever else is printed stands above it, whole", () => {
  const file = `${scriptFolder({ "main.ts": program })}/main.ts`;
  const command = `"${process.execPath}" --conditions=tinderbox-source "${file}"`;
  // Of util-linux: runs a command on a terminal of its own.
  const { stdout, error } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8", timeout: 15_000 });
  if (error) throw error;
  const { length: drawn } = stdout.match(/first: \d+ of 32/g)!;
  expect(drawn).toBeGreaterThan(3);
  const lines = screen(stdout);
  expect(lines.filter((line) => /^\[own-1 (first|second)#\d+\] runner (0|8|16|24)$/.test(line))).toHaveLength(8);
  expect(lines.filter((line) => /^parent (15|31)$/.test(line))).toHaveLength(4);
  expect(
    lines.filter((line) => /^(first|second): 32 of 32 \(100 %\), \d+\/s, \d\.\d s, 1 failed$/.test(line)),
  ).toHaveLength(2);
  expect(lines.at(-1)).toBe("no end of line");
  expect(lines).toHaveLength(15);
});
