// Creates one object so often, claims and removes whatever is there in between, and prints what it did: file-turns.ts <folder> <name> <count>
import { systemClock } from "../../../src/clock.ts";
import { fileDriver } from "../../../src/store/drivers/file.ts";

const [folder = "", name = "", count = ""] = process.argv.slice(2);
const driver = fileDriver({ folder, clock: systemClock });
const key = "dir/turns";
for (let made = 0; made < Number(count);) {
  const outcome = await driver.put(key, Buffer.from(`${name} ${made}`), { condition: "absent" });
  if (outcome !== "lost") {
    made++;
    console.log(`made ${outcome.etag}`);
  }
  const found = await driver.head(key);
  if (!found) continue;
  const claimed = await driver.put(key, Buffer.from(`of ${name}`), { condition: { ifMatch: found.etag } });
  if (claimed === "lost") continue;
  console.log(`claimed ${found.etag}`);
  await driver.remove(key, { ifMatch: claimed.etag });
}
await driver.close();
