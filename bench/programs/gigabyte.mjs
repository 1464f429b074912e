// MB/s of a gigabyte that goes into `cat` and comes out again: in a shell, with Node's own streams, and through `binary`.
import { execFileSync, spawn } from "node:child_process";

const mode = process.argv[2];
const bytes = 2 ** 30;
const chunk = new Uint8Array(64 * 1024);
let before = process.memoryUsage().rss;
let most = before;
let began;
let count = 0;

if (mode === "shell") {
  begin();
  execFileSync("sh", ["-c", `head -c ${bytes} /dev/zero | cat | cat >/dev/null`]);
  count = bytes;
} else if (mode === "node") {
  begin();
  const child = spawn("cat");
  const pump = (async () => {
    for (const piece of pieces())
      if (!child.stdin.write(piece)) await new Promise((go) => child.stdin.once("drain", go));
    child.stdin.end();
  })();
  for await (const piece of child.stdout) see(piece);
  await pump;
} else {
  const { binary } = await import("tinderbox");
  const cat = binary("cat", { command: "cat" });
  await cat.run();
  begin();
  const run = cat.run([], { input: pieces() });
  for await (const piece of run.stdout) see(piece);
  await run;
}
const seconds = (performance.now() - began) / 1_000;
if (count !== bytes) throw new Error(`${count} bytes came`);
if (mode !== "shell") console.log(`memory grew by up to ${((most - before) / 2 ** 20).toFixed(0)} MB`);
console.log(bytes / 1e6 / seconds);

function begin() {
  before = most = process.memoryUsage().rss;
  began = performance.now();
}

function* pieces() {
  for (let left = bytes; left > 0; left -= chunk.length) yield chunk;
}

function see(piece) {
  // Not each time: looking is a system call, too.
  if ((count >> 20) % 16 === 0) most = Math.max(most, process.memoryUsage.rss());
  count += piece.length;
}
