// Keeps as many megabytes as each request says.
import { createInterface } from "node:readline";
const kept = [];
for await (const line of createInterface({ input: process.stdin })) {
  kept.push(Buffer.alloc(Number(line) * 1024 ** 2, 1));
  process.stdout.write(`${process.pid}\n`);
}
