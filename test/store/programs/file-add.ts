// Adds lines of its own to one object, until all of them are in it: file-add.ts <folder> <name> <count>
import { systemClock } from "../../../src/clock.ts";
import { fileDriver } from "../../../src/store/drivers/file.ts";

const [folder = "", name = "", count = ""] = process.argv.slice(2);
const driver = fileDriver({ folder, clock: systemClock });
for (let done = 0; done < Number(count);) {
  const got = await driver.get("dir/lines");
  const now = typeof got === "object" ? got : undefined;
  const body = Buffer.concat([now?.body ?? Buffer.alloc(0), Buffer.from(`${name} ${done}\n`)]);
  const outcome = await driver.put("dir/lines", body, { condition: now ? { ifMatch: now.etag } : "absent" });
  if (outcome !== "lost") done++;
}
await driver.close();
