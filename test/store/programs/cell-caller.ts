/**
 * One of several processes that use one cell: says "ready", waits for the end of its stdin, does so much, and prints what it asked for and
 * heard, with times of the clock that all processes of the machine share.
 *
 * <url> <options> <callers> <rounds> <seed>
 */
import { text } from "node:stream/consumers";
import { StoreError } from "../../../src/errors.ts";
import { openStore } from "../../../src/store.ts";
import { random } from "../../chaos/random.ts";

const [url, options, callers, rounds, seed] = process.argv.slice(2) as [string, string, string, string, string];
const chance = random(Number(seed));
const store = openStore(url, JSON.parse(options) as object);
const cell = store.cell("shared", { initial: 0 });
const now = (): number => Number(process.hrtime.bigint());
console.log("ready");
await text(process.stdin);

async function caller(number: number): Promise<void> {
  for (let round = 0; round < Number(rounds); round++) {
    const what = chance.next();
    // Sums of different ones are different: nobody takes one answer for another.
    const by = Number(seed) * 1_000_000 + number * 1_000 + round + 1;
    const kind = what < 0.3 ? "get" : what < 0.35 ? "set" : "add";
    const from = now();
    try {
      const value =
        kind === "get" ? await cell.get() : kind === "set" ? await cell.set(by) : await cell.update((old) => old + by);
      console.log(JSON.stringify({ kind, by, value, from, to: now() }));
    } catch (error) {
      if (!StoreError.is(error)) throw error;
      const { maybe, message } = error as StoreError;
      console.log(JSON.stringify({ kind, by, from, maybe, message }));
    }
  }
}

await Promise.all(Array.from({ length: Number(callers) }, (_, number) => caller(number)));
await store.close();
