// Stops itself right before or right after its first call of a function of the system: file-stop.ts <folder> "<before|after> <link|rename|rmdir>" <request> [etag]
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { systemClock } from "../../../src/clock.ts";
import type { StoreError } from "../../../src/errors.ts";
import { fileDriver } from "../../../src/store/drivers/file.ts";

const [folder = "", stop = "", request = "", etag = ""] = process.argv.slice(2);
const [moment, name] = stop.split(" ") as ["before" | "after", "link"];
const original = fs[name];
let stops = 1;
fs[name] = async (...args) => {
  const stopping = stops-- > 0;
  if (stopping && moment === "before") process.kill(process.pid, "SIGSTOP");
  await original(...args);
  if (stopping && moment === "after") process.kill(process.pid, "SIGSTOP");
};
syncBuiltinESMExports();

const driver = fileDriver({ folder, clock: systemClock });
const body = Buffer.from("of the stopped one");
async function* pieces(): AsyncGenerator<Uint8Array> {
  yield body.subarray(0, 5);
  yield body.subarray(5);
}
const act = {
  put: () => driver.put("a", body),
  write: () => driver.write("a", pieces()),
  match: () => driver.put("a", body, { condition: { ifMatch: etag } }),
  absent: () => driver.put("a", body, { condition: "absent" }),
  remove: () => driver.remove("a", { ifMatch: etag }),
}[request]!;
const answer = await act().then(
  (outcome) => (typeof outcome === "string" ? outcome : "done"),
  (error: StoreError) => (error.maybe ? "maybe" : `failed: ${error.message}`),
);
console.log(`answer: ${answer}`);
await driver.close();
