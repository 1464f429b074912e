/** A gigabyte through each kind of reference: what both sides hold of it has a bound. */
import assert from "node:assert/strict";
import { flame, live } from "tinderbox";
import type { Case } from "../case.ts";
import { type Flood, chunkBytes, flood } from "../flood.ts";
import { ownPool } from "../own-pool.ts";

const gigabyte = 1024 ** 3;
const chunks = gigabyte / chunkBytes;
/**
 * Without bounds it is 600 to 950. What both sides hold is a few; the rest is what the collector and the allocator keep, which
 * is below 60 on a machine with nothing else to do.
 */
const mostGrowth = 96;

/** Printed: what a machine makes of it is of interest, too. */
function judge(name: string, seen: Flood, wanted = gigabyte): void {
  console.log(`${name}: ${JSON.stringify(seen)}`);
  assert.equal(seen.bytes, wanted);
  assert.ok(seen.runnerGrowth < mostGrowth, `the runner grew by ${seen.runnerGrowth} MB`);
  assert.ok(seen.parentGrowth < mostGrowth, `the parent grew by ${seen.parentGrowth} MB`);
}

function* bytes(count: number): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  for (let n = 0; n < count; n++) yield new Uint8Array(chunkBytes).fill(n);
}

/** Both sides have done all of it once: what is measured is not what they need anyway. */
async function warm(run: (count: number) => Promise<void>): Promise<void> {
  await run(2000);
}

export const cases: readonly Case[] = [
  {
    name: "a generator as a result",
    timeout: 120_000,
    run: () =>
      ownPool({ concurrency: 2 }, async (own) => {
        const read = async (count: number, note?: (bytes: number) => Promise<void>): Promise<void> => {
          for await (const chunk of flame(() => bytes(count), { pool: own })) await note?.(chunk.length);
        };
        await warm(read);
        judge("generator", await flood(own, gigabyte, (note) => read(chunks, note)));
      }),
  },
  {
    name: "a captured ReadableStream",
    timeout: 120_000,
    run: () =>
      ownPool({ concurrency: 2 }, async (own) => {
        const read = async (count: number, note?: (bytes: number) => Promise<void>): Promise<void> => {
          const source = ReadableStream.from(bytes(count));
          const tell = live(async (length: number) => note?.(length));
          await flame(
            async () => {
              for await (const chunk of source) await tell(chunk.length);
            },
            { pool: own, timeout: "2m" },
          );
        };
        await warm(read);
        judge("ReadableStream", await flood(own, gigabyte, (note) => read(chunks, note)));
      }),
  },
  {
    name: "a captured WritableStream",
    timeout: 120_000,
    run: () =>
      ownPool({ concurrency: 2 }, async (own) => {
        const write = async (count: number, note?: (bytes: number) => Promise<void>): Promise<void> => {
          const sink = new WritableStream<Uint8Array>({ write: (chunk) => note?.(chunk.length) });
          await flame(
            async () => {
              const writer = sink.getWriter();
              for (const chunk of bytes(count)) await writer.write(chunk);
              await writer.close();
            },
            { pool: own, timeout: "2m" },
          );
        };
        await warm(write);
        judge("WritableStream", await flood(own, gigabyte, (note) => write(chunks, note)));
      }),
  },
  {
    name: "a fast producer of tiny items",
    timeout: 120_000,
    run: () =>
      ownPool({ concurrency: 2 }, async (own) => {
        const items = 1_000_000;
        const read = async (count: number, note?: (bytes: number) => Promise<void>): Promise<void> => {
          for await (const n of flame(
            function* () {
              for (let n = 0; n < count; n++) yield n;
            },
            { pool: own },
          )) {
            if (note && n % 1000 === 0) await note(1000);
          }
        };
        await warm((count) => read(count * 100));
        judge("tiny items", await flood(own, items, (note) => read(items, note)), items);
      }),
  },
];
