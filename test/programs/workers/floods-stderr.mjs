// Writes so many megabytes to stderr, then as many lines to stdout as it gets.
import { once } from "node:events";
const line = `${"x".repeat(1023)}\n`;
for (let n = 0; n < Number(process.argv[2]) * 1024; n++)
  if (!process.stderr.write(line)) await once(process.stderr, "drain");
process.stderr.write("the last line\n");
process.stdin.pipe(process.stdout);
