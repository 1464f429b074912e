import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { openStore } from "../../src/store.ts";
import { testRun } from "../harness/run.ts";
import { type S3Server, startS3 } from "../harness/s3/server.ts";
import { startScript } from "../harness/script.ts";
import { type Operation, explain, operations } from "./linear.ts";

/** Cells that several processes use at the same time: over a folder, and over a server of S3 that fails in every way. */

const program = fileURLToPath(new URL("programs/cell-caller.ts", import.meta.url));

interface Heard {
  readonly kind: "get" | "set" | "add";
  readonly by: number;
  readonly value?: number;
  readonly from: number;
  readonly to?: number;
  readonly maybe?: boolean;
  readonly message?: string;
}

interface Site {
  readonly url: string;
  readonly options: object;
}

async function callersOf({ url, options }: Site, processes: number, callers: number, rounds: number): Promise<Heard[]> {
  const scripts = Array.from({ length: processes }, (_, seed) =>
    startScript(program, {
      args: [url, JSON.stringify(options), callers, rounds, seed + 1].map(String),
      input: "",
      timeout: 60_000,
    }),
  );
  const results = await Promise.all(scripts.map(({ finished }) => finished));
  return results.flatMap(({ stdout, stderr, code }) => {
    expect(code, stderr).toBe(0);
    const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line) as Heard);
  });
}

function historyOf(heard: readonly Heard[]): Operation[] {
  return heard.flatMap(({ kind, by, value, from, to = Infinity, maybe }): Operation[] => {
    if (to === Infinity && !maybe) return [];
    if (kind === "get") return to === Infinity ? [] : [operations.get(value!, from, to)];
    return [kind === "set" ? operations.set(by, from, to) : operations.add(by, value, from, to)];
  });
}

let s3: S3Server | undefined;
afterEach(async () => {
  await s3?.dispose();
  s3 = undefined;
});

let made = 0;
function folder(): Site {
  return { url: pathToFileURL(join(testRun.folder, `cells-${++made}`)).href, options: {} };
}

async function bucket(): Promise<Site> {
  s3 = await startS3({ seed: 7 });
  const { endpoint, region, credentials } = s3;
  return { url: `s3://${s3.buckets.names()[0]!}/app`, options: { endpoint, region, credentials } };
}

async function failing(): Promise<Site> {
  const site = await bucket();
  const often = { times: Infinity, key: /shared$/ } as const;
  for (const kind of [
    "conflict",
    "conditionAfterSuccess",
    "unavailableBefore",
    "unavailableAfter",
    "internalBefore",
    "internalAfter",
    "lostReply",
    "droppedRequest",
  ] as const) {
    s3!.faults.add({ kind, operation: "PutObject", probability: 0.04, ...often });
  }
  for (const kind of ["unavailableBefore", "cutBody", "droppedRequest", "corruptBody"] as const) {
    s3!.faults.add({ kind, operation: "GetObject", probability: 0.04, ...often });
  }
  return site;
}

const sites: [string, () => Site | Promise<Site>][] = [
  ["a folder", folder],
  ["a server of S3", bucket],
  ["a server of S3 that fails", failing],
];

describe.each(sites)("over %s", (_name, open) => {
  test("what several processes see of a cell has one order", { timeout: 90_000 }, async () => {
    const site = await open();
    const heard = await callersOf(site, 4, 3, 25);
    expect(heard).toHaveLength(300);
    await using store = openStore(site.url, site.options);
    const value = await store.cell("shared", { initial: 0 }).get();
    const history = [...historyOf(heard), operations.get(value, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER)];
    expect(explain("0", history)).toBeUndefined();
    // It is not by failing that nothing goes wrong.
    expect(heard.filter(({ to }) => to === undefined)).toEqual([]);
  });

  test("fifty who count at the same time in several processes lose nothing", { timeout: 90_000 }, async () => {
    const site = await open();
    const code = `
      import { openStore } from "tinderbox/store";
      await using store = openStore(${JSON.stringify(site.url)}, ${JSON.stringify(site.options)});
      const shared = store.cell("shared", { initial: 0 });
      await Promise.all(Array.from({ length: 10 }, async () => {
        for (let round = 0; round < 10; round++) await shared.update((count) => count + 1);
      }));
    `;
    const results = await Promise.all(Array.from({ length: 5 }, () => startScript(code, { timeout: 60_000 }).finished));
    for (const { code: exit, stderr } of results) expect(exit, stderr).toBe(0);
    await using store = openStore(site.url, site.options);
    expect(await store.cell("shared", { initial: 0 }).get()).toBe(500);
  });
});
