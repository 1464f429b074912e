/** A log that is too large to fetch: it is searched where it is, and only what matters comes back, as it is found. */
import { createGzip } from "node:zlib";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { flame, pool } from "tinderbox";

const logs = pool("logs", { max: 1, timeout: "20s" });

/** Stands for a large file on the runner: ten thousand lines a second of somebody's server. */
function* lines(count: number): Generator<string> {
  for (let n = 1; n <= count; n++) {
    const status = n % 997 === 0 ? 500 : n % 31 === 0 ? 404 : 200;
    yield `${new Date(1e12 + n * 100).toISOString()} GET /item/${n % 50} ${status}\n`;
  }
}

// A generator: each item leaves as it is produced. Breaking off ends the search on the runner as well.
const firstErrors: string[] = [];
const search = flame(
  async function* ({ log }) {
    let read = 0;
    try {
      for await (const line of createInterface({ input: Readable.from(lines(1_000_000)) })) {
        read++;
        if (line.endsWith(" 500")) yield line;
      }
    } finally {
      log(`the search ends: ${read < 1_000_000 ? "the caller had seen enough" : "all was read"}`);
    }
  },
  { pool: logs },
);
for await (const line of search) {
  firstErrors.push(line);
  if (firstErrors.length === 3) break;
}
console.log(firstErrors.join("\n"));

// A stream of Node's: bytes flow back as they are read here, no faster.
const packed = await flame(() => Readable.from(lines(200_000), { objectMode: false }).pipe(createGzip()), {
  pool: logs,
});
let bytes = 0;
for await (const chunk of packed) bytes += (chunk as Buffer).length;
console.log(`200000 lines came as ${(bytes / 1024).toFixed(0)} KiB of gzip`);

// And the other way: the runner reads what this process produces.
const upload = new ReadableStream<string>({
  start(controller) {
    for (const line of lines(1_000)) controller.enqueue(line);
    controller.close();
  },
});
const missing = await flame(
  async () => {
    let count = 0;
    for await (const line of upload) if (line.endsWith(" 404\n")) count++;
    return count;
  },
  { pool: logs },
);
console.log(`the runner counted ${missing} missing pages in what was sent to it`);
await logs.close();
