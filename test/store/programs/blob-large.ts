/** Streams a large blob to a store and back, twice over, and tells how much memory that took. */
import { crc32 } from "node:zlib";
import { systemClock } from "../../../src/clock.ts";
import { blobOf } from "../../../src/store/blob.ts";
import { s3Driver } from "../../../src/store/drivers/s3.ts";
import { Requests } from "../../../src/store/requests.ts";

const [endpoint = "", region = "", accessKeyId = "", secretAccessKey = "", megabytes = ""] = process.argv.slice(2);
const size = Number(megabytes) * 2 ** 20;
const driver = s3Driver({
  bucket: "test",
  clock: systemClock,
  endpoint,
  region,
  credentials: { accessKeyId, secretAccessKey },
});
const none = { blob: () => ({ type: "", data: 0 }) };
const blob = blobOf(new Requests({ driver, clock: systemClock }), "large", none);

let most = 0;
const look = (): void => void (most = Math.max(most, process.memoryUsage().rss));

let written = 0;
async function* source(length: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.allocUnsafe(256 * 1024);
  for (let at = 0; at < length; at += piece.length) {
    piece.fill(at / piece.length);
    const part = piece.subarray(0, Math.min(piece.length, length - at));
    written = crc32(part, written);
    look();
    yield part;
  }
}

async function once(length: number): Promise<boolean> {
  written = 0;
  let read = 0;
  let count = 0;
  const outcome = await blob.write(source(length));
  for await (const piece of blob.stream({ ifMatch: outcome.etag })) {
    read = crc32(piece, read);
    count += piece.length;
    look();
  }
  return outcome.size === length && count === length && read === written;
}

// All that is loaded and compiled only once is there after this.
await once(48 * 2 ** 20);
globalThis.gc?.();
const before = process.memoryUsage().rss;
most = 0;
const same = await once(size);
await driver.close();
console.log(JSON.stringify({ same, growth: most - before, resources: process.getActiveResourcesInfo() }));
