import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { CaptureError, type Pool, StoreDataError, flame, pool } from "tinderbox";
import { type Store, type StoreOptions, openStore } from "tinderbox/store";
import { testRun } from "../harness/run.ts";
import { startS3 } from "../harness/s3/server.ts";
import { startScript } from "../harness/script.ts";

/** What closures capture of a store, and what becomes of it on a runner. */

const pools: Pool[] = [];
const stores: Store[] = [];
let made = 0;

afterEach(async () => {
  await Promise.all(pools.splice(0).map((each) => each.close({ timeout: 0 })));
  await Promise.all(stores.splice(0).map((each) => each.close()));
});

function own(options: Parameters<typeof pool>[1] = {}): Pool {
  const each = pool(`store-${++made}`, { max: 2, ...options });
  pools.push(each);
  return each;
}

function opened(url: string | URL, options?: StoreOptions): Store {
  const store = openStore(url, options);
  stores.push(store);
  return store;
}

const folder = (): URL => pathToFileURL(join(testRun.folder, `shared-${++made}`));

test("a captured cell is the same cell on runners", async () => {
  const hits = opened(folder()).cell("hits", { initial: 0 });
  const two = own();
  await hits.update((count) => count + 1);
  const results = await Promise.all(
    Array.from({ length: 10 }, () => flame(() => hits.update((count) => count + 1), { pool: two })),
  );
  expect(Math.max(...results)).toBe(11);
  expect(await hits.get()).toBe(11);
});

test("a captured store opens everything else", async () => {
  const store = opened(folder());
  const keys = await flame(
    async () => {
      await store.blob("photo").write("pixels");
      await using lease = await store.lease("mine");
      const cell = store.cell<string>("who");
      await cell.set(`token ${lease.token}`, { lease });
      const found: string[] = [];
      for await (const { key } of store.list()) found.push(key);
      return found;
    },
    { pool: own() },
  );
  expect(await store.cell("who").get()).toBe("token 1");
  expect(await store.blob("photo").text()).toBe("pixels");
  expect(keys).toEqual(["photo", "who"]);
  await using lease = await store.lease("mine");
  expect(lease.token).toBe(2);
});

test("a handle is no result: nobody opens what a runner names", async () => {
  const store = opened(folder());
  const call = flame(() => ({ cell: store.cell("a") }), { pool: own() });
  await expect(call).rejects.toThrow("`result.cell` to the caller: it is a cell, and handles travel to runners only");
});

test("a memo is computed once across runners", async () => {
  const store = opened(folder());
  const runners = own({ max: 2, concurrency: 4 });
  const values = await Promise.all(
    Array.from({ length: 8 }, () =>
      flame(
        () =>
          store.memo("model", async () => {
            const count = await store.cell("computed", { initial: 0 }).update((value) => value + 1);
            return { count, by: process.pid };
          }),
        { pool: runners },
      ),
    ),
  );
  expect(new Set(values.map((value) => JSON.stringify(value))).size).toBe(1);
  expect(values[0]!.count).toBe(1);
  expect(values[0]!.by).not.toBe(process.pid);
});

test("the schema of a captured cell is kept on runners", async () => {
  const store = opened(folder());
  const age = store.cell("age", { initial: 1, schema: z.number().max(150) });
  const one = own();
  expect(await flame(() => age.update((value) => value + 1), { pool: one })).toBe(2);
  const error = await flame(() => age.set(200), { pool: one }).catch((reason: unknown) => reason as StoreDataError);
  expect(error).toBeInstanceOf(StoreDataError);
  expect((error as StoreDataError).issues).toHaveLength(1);
  await store.cell<unknown>("age").set("old");
  await expect(flame(() => age.get(), { pool: one })).rejects.toThrow("its schema refuses it");
});

test("a store in memory is not sent to where it would be another one", async () => {
  const store = opened("memory:");
  const cell = store.cell("a", { initial: 1 });
  const one = own();
  for (const call of [() => flame(() => cell.get(), { pool: one }), () => flame(() => store.name, { pool: one })]) {
    await expect(call()).rejects.toThrow(CaptureError);
    await expect(call()).rejects.toThrow("it is in the memory of this process; use file: or s3:");
  }
});

test("a store of S3 is opened on the runner with the credentials of the runner", async () => {
  await using s3 = await startS3();
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const bucket = s3.buckets.names()[0]!;
  const store = opened(`s3://${bucket}/app`, { endpoint: s3.endpoint, region: s3.region, credentials: s3.credentials });
  const hits = store.cell("hits", { initial: 0 });
  await hits.set(5);
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  expect(await flame(() => hits.update((count) => count + 1), { pool: own({ env }) })).toBe(6);
  const other = { AWS_ACCESS_KEY_ID: "AKIANOBODY", AWS_SECRET_ACCESS_KEY: "nothing" };
  await expect(flame(() => hits.get(), { pool: own({ env: other }) })).rejects.toMatchObject({ name: "StoreError" });
  expect(s3.buckets.keys(bucket)).toContain("app/hits");
});

test("an address that came from the environment is the same on runners", async () => {
  await using s3 = await startS3({ buckets: ["here"] });
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const code = `
    import { flame, pool } from "tinderbox";
    import { openStore } from "tinderbox/store";
    const one = pool("one", { env: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] });
    const hits = openStore("s3://here/app").cell("hits", { initial: 0 });
    await hits.set(1);
    console.log(await flame(() => hits.update((count) => count + 1), { pool: one }));
    await one.close();
  `;
  const env = {
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const { stdout, stderr } = await startScript(code, { env }).finished;
  expect(stdout, stderr).toBe("2\n");
});

test("what is left in the folder of a store are its objects", async () => {
  const url = folder();
  const store = opened(url);
  await flame(() => store.cell("a").set(1), { pool: own() });
  expect(readdirSync(join(url.pathname, ".tmp"))).toEqual([]);
});
