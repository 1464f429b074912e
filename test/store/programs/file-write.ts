// Writes for ever, with and without a stream, and may remove at times; prints each etag: file-write.ts <folder> <byte> <removes>
import { systemClock } from "../../../src/clock.ts";
import { fileDriver } from "../../../src/store/drivers/file.ts";

const [folder = "", byte = "", removes = ""] = process.argv.slice(2);
const driver = fileDriver({ folder, clock: systemClock });
async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield new Uint8Array(10_000).fill(Number(byte));
}
for (let round = 0; ; round++) {
  const outcome =
    round % 2 === 0
      ? await driver.put("dir/a", new Uint8Array(1_000 + round).fill(Number(byte)))
      : await driver.write("dir/a", pieces(1 + (round % 7)));
  if (outcome !== "lost") console.log(outcome.etag);
  if (removes === "true" && round % 10 === 9) await driver.remove("dir/a");
}
