/** A long job that reports how far it is, asks when it does not know, and can be stopped. */
import { flame, live, pool } from "tinderbox";

const work = pool("work", { max: 1 });

interface Doubt {
  readonly file: string;
  readonly reason: string;
}

const files = ["a.png", "b.png", "broken.png", "c.png", "huge.png", "d.png"];

// `live` functions stay here; calling one on the runner runs it here, in the context of this call.
const done: string[] = [];
const finished = live((file: string, ofAll: number) => {
  done.push(file);
  console.log(`${"#".repeat(done.length).padEnd(ofAll, ".")} ${file}`);
});
const decide = live(async ({ file, reason }: Doubt) => {
  console.log(`       ${file}: ${reason}; skip it? yes`);
  return "skip" as const;
});

// A signal is live as well: it aborts on the runner when it aborts here.
const budget = new AbortController();
const { signal } = budget;
const afford = live((size: number) => {
  if (size > 1_000) budget.abort(new Error("the budget is spent"));
});

const report = await flame(
  async () => {
    const kept: string[] = [];
    for (const file of files) {
      if (file.startsWith("broken") && (await decide({ file, reason: "it cannot be read" })) === "skip") continue;
      await afford(file.startsWith("huge") ? 5_000 : 10);
      // The signal and the answer take the same way, in this order.
      if (signal.aborted) return { kept, stopped: String(signal.reason) };
      kept.push(file);
      await finished(file, files.length);
    }
    return { kept, stopped: "" };
  },
  { pool: work, timeout: "1m" },
);
console.log(report);
await work.close();
