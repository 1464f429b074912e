/** Something that takes long to build is built once, on a runner, and asked many times; a lost runner is not the end of it. */
import { RunnerLostError, events, flame, pool } from "tinderbox";
import { Dictionary } from "./dictionary.ts";

const words = pool("words", { max: 2 });
events.on("placed.restarted", ({ runner }) => console.log(`  (made again on ${runner})`));

// The factory runs on the runner, and the object stays there. What comes back has its methods, as promises.
const dictionary = await flame.place(() => Dictionary.build(50_000), {
  pool: words,
  name: "dictionary",
  // It can be made again from nothing, so a lost runner may cost no more than that.
  restart: "transient",
});
console.log(`built: ${await dictionary.size()} words`);
console.log(`nearest to "tinberdox": ${await dictionary.nearest("tinberdox")}`);

// A method that gives a generator is iterated where it is called, as it produces.
const found: string[] = [];
for await (const word of dictionary.startingWith("kab")) {
  found.push(word);
  if (found.length === 4) break;
}
console.log(`begin with "kab": ${found.join(", ")}, ...`);

// Other closures may use it, wherever they run: their calls go through this process to the object.
const longest = await flame(
  async () => {
    let best = "";
    for await (const word of dictionary.startingWith("kab")) if (word.length > best.length) best = word;
    return best;
  },
  { pool: words },
);
console.log(`the longest with "kab": ${longest}`);

// What happens to a call that is under way when the runner is lost nobody knows: it fails, and is not repeated.
const lost = await dictionary.crash().catch((error: unknown) => error);
console.log(`crash: ${RunnerLostError.is(lost) ? "RunnerLostError" : String(lost)}`);
console.log(`and then: ${await dictionary.nearest("flaem")}`);

// On Node 24, `await using dictionary = ...` does this at the end of the block.
await dictionary[Symbol.asyncDispose]();
console.log(`slots that are taken: ${words.stats().slots.busy}`);
await words.close();
