/**
 * A photo lab and a reading room, staffed by runners: processes that do not exist until the first `flame()` and are
 * gone at the end. Nothing is configured, deployed or exported for them; the closures below are all there is.
 */
import { readFile, readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename } from "node:path/posix";
import { RunnerLostError, flame, pool } from "tinderbox";
import { type Share, palette, shrink } from "./colours.ts";
import { follow, report, seen } from "./ledger.ts";
import { type Image, decodePng } from "./png.ts";
import { bar, bold, dim, draw, print, status, swatch, time } from "./screen.ts";
import { countWords, distinctive, proseOf } from "./words.ts";

const lab = pool("lab", { max: Math.min(8, Math.max(2, availableParallelism())), timeout: "1m" });
const pictures = await filesOf("images/", ".png");
const documents = await filesOf("../../node_modules/@types/node/", ".d.ts");
const colours = 5;

/** Made on a runner, shown here: instances keep their class when they travel. */
class Postcard {
  readonly pid = process.pid;
  readonly by: string;
  readonly size: string;
  readonly shares: readonly Share[];
  readonly thumbnail: Image;

  constructor(image: Image, by: string) {
    this.by = by;
    this.size = `${image.width}×${image.height}`;
    this.shares = palette(image, colours);
    this.thumbnail = shrink(image, 18, 12);
  }

  show(title: string, note: string): void {
    const mix = this.shares.map(({ colour, share }) => `${swatch(colour)} ${Math.round(share * 100)} %`);
    const text = ["", `${bold(title)} ${dim(this.size)}`, mix.join("  "), dim(note)];
    print(...draw(this.thumbnail).map((line, index) => `  ${line}  ${text[index] ?? ""}`), "");
  }
}

/** An ordinary function of this file. Its imports are imported wherever it runs. */
async function develop(file: URL, by: string): Promise<Postcard> {
  return new Postcard(decodePng(await readFile(file)), by);
}

follow();
print(
  "",
  bold(`1. ${pictures.length} pictures, a closure for each`),
  dim("  No runner exists yet. They boot because there is work."),
);
const started = performance.now();
let done = 0;
await Promise.all(
  pictures.map(async (file) => {
    const name = basename(file.pathname, ".png");
    const card = await flame(({ runner }) => develop(file, runner.id), { pool: lab, name });
    seen(card.by, card.pid);
    card.show(name, `developed by ${card.by}, here after ${time(performance.now() - started)}`);
    progress(++done, pictures.length, "pictures");
  }),
);
const together = performance.now() - started;

print(bold(`2. What is each module of Node about? ${documents.length} files of documentation`));
const opened = performance.now();
done = 0;
const counts = await Promise.all(
  documents.map(async (file) => {
    const words = await flame(async () => countWords(proseOf(await readFile(file, "utf8"))), {
      pool: lab,
      name: "count",
    });
    progress(++done, documents.length, "files");
    return { name: basename(file.pathname, ".d.ts"), words, total: sum(words.values()) };
  }),
);
const spread = new Map<string, number>();
for (const { words } of counts) for (const word of words.keys()) spread.set(word, (spread.get(word) ?? 0) + 1);
await Promise.all(
  counts
    .toSorted((one, other) => other.total - one.total)
    .slice(0, 10)
    .map(async ({ name, words, total }) => {
      // Both maps, a number and an imported function are captured; the first three arrive as copies.
      const telling = await flame(() => distinctive(words, spread, counts.length, 6), { pool: lab, name: "compare" });
      print(`  ${name.padEnd(14)} ${dim(`${total} words`.padStart(12))}   ${telling.join(", ")}`);
    }),
);
print(
  dim(`  ${sum(counts.map(({ total }) => total)).toLocaleString("en")} words in ${time(performance.now() - opened)}`),
);

print("", bold("3. A closure ends its own process"));
const neighbour = flame(() => busyFor(300), { pool: lab, name: "neighbour" });
try {
  await flame(() => process.kill(process.pid, "SIGKILL"), { pool: lab, name: "saboteur" });
} catch (error) {
  if (!(error instanceof RunnerLostError)) throw error;
  print(`  caught a ${bold(error.name)}: ${error.message}`);
}
print(`  its neighbour on another runner never noticed: ${await neighbour}`);
const survivor = await flame(
  ({ runner }) => {
    console.log(`try ${runner.attempt + 1}`);
    if (runner.attempt === 0) process.exit(1);
    return { runner: runner.id, pid: process.pid };
  },
  { pool: lab, name: "survivor", idempotent: true },
);
seen(survivor.runner, survivor.pid);
print(`  one that may be repeated was, on ${bold(survivor.runner)}, which booted for it`);

print("", bold("4. Nobody needs runners any more"));
await lab.close();
print("", ...report(), "");

// How long would it have taken without runners? On a machine that is busy already nobody wants to wait for the answer.
if (together < 5_000) {
  status("the same pictures once more, in this process, one after the other ...");
  const alone = performance.now();
  for (const file of pictures) await develop(file, "here");
  status("");
  const [fast, slow] = [together, performance.now() - alone].map((ms) => bold(time(ms)));
  print(
    `  The pictures took ${fast} on ${lab.options.max} runners, boots included, and ${slow} one after the other here.`,
  );
}

function busyFor(ms: number): string {
  const until = performance.now() + ms;
  let rounds = 0;
  while (performance.now() < until) rounds++;
  return `it counted to ${rounds.toLocaleString("en")}`;
}

function progress(part: number, of: number, what: string): void {
  const { runners, queued } = lab.stats();
  status(
    part === of ? "" : `  ${bar(part / of, 24)} ${part} of ${of} ${what}, ${runners.ready} runners, ${queued} waiting`,
  );
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

async function filesOf(folder: string, extension: string): Promise<URL[]> {
  const url = new URL(folder, import.meta.url);
  return (await readdir(url)).filter((name) => name.endsWith(extension)).map((name) => new URL(name, url));
}
