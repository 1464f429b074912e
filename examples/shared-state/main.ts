/** State that all machines share: a counter, a leader, and something that is computed once. Here by a folder; in production by S3. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { flame, pool } from "tinderbox";
import { openStore } from "tinderbox/store";

const folder = mkdtempSync(join(tmpdir(), "shared-state-"));
const store = openStore(process.env["STORE"] ?? pathToFileURL(folder));
// With a bucket the runners need credentials, too. A machine in the cloud has its role; a process of this one has what you pass on.
const machines = pool("machines", {
  min: 3,
  max: 3,
  env: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
});
await machines.start();

// A counter. On S3, in memory or in a folder: nothing is lost, however many change it at once.
const hits = store.cell("hits", { initial: 0 });
await Promise.all(Array.from({ length: 30 }, () => flame(() => hits.update((count) => count + 1), { pool: machines })));
console.log(`30 calls on 3 machines have counted to ${await hits.get()}`);

// Something that takes a while, once for all of them.
const words = await Promise.all(
  Array.from({ length: 3 }, () =>
    flame(
      () =>
        store.memo("dictionary", async () => {
          await hits.update((count) => count + 1_000);
          return ["tinder", "box"];
        }),
      { pool: machines },
    ),
  ),
);
console.log(
  `${words.length} calls got ${JSON.stringify(words[0])}; it was made ${Math.floor((await hits.get()) / 1_000)} time`,
);

// One of them does it, and if that one dies the next. What it writes is refused once another one has taken over.
const report = store.cell("report", { initial: "" });
const leaders = await Promise.all(
  Array.from({ length: 3 }, () =>
    flame(
      ({ runner }) =>
        store.elect("reporter", async (lease) => {
          await report.update((text) => `${text}${lease.token} `, { lease });
          return runner.id;
        }),
      { pool: machines },
    ),
  ),
);
console.log(
  `${new Set(leaders).size} machines were leader, one after the other; they have signed with ${await report.get()}`,
);

const { requests } = store.stats();
console.log(`this process itself made ${requests.read} reads and ${requests.write} writes`);

await machines.close();
await store.close();
rmSync(folder, { recursive: true });
