// Adds lines of its own to one object, until all of them are in it: file-add.ts <folder> <name> <count>
import { systemClock } from "../../../src/clock.ts";
import type { StoreError } from "../../../src/errors.ts";
import { fileDriver } from "../../../src/store/drivers/file.ts";

const [folder = "", name = "", count = ""] = process.argv.slice(2);
const driver = fileDriver({ folder, clock: systemClock });
for (let done = 0; done < Number(count);) {
  const got = await driver.get("dir/lines");
  const now = typeof got === "object" ? got : undefined;
  const body = Buffer.concat([now?.body ?? Buffer.alloc(0), Buffer.from(`${name} ${done}\n`)]);
  const line = `${name} ${done}\n`;
  const put = driver.put("dir/lines", body, { condition: now ? { ifMatch: now.etag } : "absent" });
  const outcome = await put.catch(async (error: StoreError) => {
    // When others have written very often meanwhile, its own lines tell.
    if (!error.maybe) throw error;
    const after = await driver.get("dir/lines");
    return typeof after === "object" && Buffer.from(after.body).includes(`\n${line}`) ? "done" : "lost";
  });
  if (outcome !== "lost") done++;
}
await driver.close();
