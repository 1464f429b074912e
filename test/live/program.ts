/**
 * Runs the cases of a file, outside of vitest: `program.ts cases/streams.ts [name of one]`. Prints a line of JSON for each, with the
 * name and, when it failed, why.
 */
import { pathToFileURL } from "node:url";
import { pool } from "tinderbox";
import { runCase } from "./run-case.ts";
import type { Case } from "./case.ts";

const { cases } = (await import(pathToFileURL(process.argv[2]!).href)) as { readonly cases: readonly Case[] };
const own = pool("live", { max: 1, concurrency: 2 });
for (const each of cases.filter(({ name }) => name === (process.argv[3] ?? name))) {
  let error: string | undefined;
  try {
    await runCase(each, own);
  } catch (failure) {
    error = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
  }
  process.stdout.write(`\ncase ${JSON.stringify({ name: each.name, error })}\n`);
}
await own.close();
