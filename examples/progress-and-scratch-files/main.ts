/** What a closure is given: progress, a log, a scratch folder, and the name of its runner. */
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { flame } from "tinderbox";

const rows = Array.from({ length: 20_000 }, (_, index) => `${(index * 7919) % 20_011}`);

const { smallest, folder } = await flame(
  async (call) => {
    const cwd = await call.dir();
    await writeFile(`${cwd}/rows.txt`, rows.join("\n"));
    call.progress("written");
    // Whatever program the machine has. To wait for it is no sin here: a runner has nothing else to do.
    execFileSync("sort", ["-n", "rows.txt", "-o", "sorted.txt"], { cwd });
    call.progress("sorted");
    const sorted = (await readFile(`${cwd}/sorted.txt`, "utf8")).trimEnd().split("\n");
    call.log(`${sorted.length} rows on ${call.runner.id}`);
    return { smallest: sorted.slice(0, 5), folder: cwd };
  },
  { name: "sort", onProgress: (stage) => console.log(`progress: ${String(stage)}`) },
);
console.log(`smallest: ${smallest.join(", ")}`);
console.log(`the scratch folder is ${existsSync(folder) ? "still there" : "gone"}`);
