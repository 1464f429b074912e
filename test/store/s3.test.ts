import dns from "node:dns";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { compareKeys } from "../../src/store/drivers/keys.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { type S3Server, startS3 } from "../harness/s3/server.ts";
import { runScript } from "../harness/script.ts";
import { testStore } from "./conformance.ts";
import { bytes, driverOf, pieces } from "./s3-site.ts";

type LookupDone = (error: null, found: unknown, family?: number) => void;

const contentHash =
  "S3's etag of a small object is the hash of its content; what has to tell versions apart writes a nonce";

testStore(
  "s3:",
  async () => {
    const server = await startS3();
    const open = () => driverOf(server, { prefix: "deep/er", page: 4 });
    const driver = open();
    return {
      driver,
      reopen: async () => open(),
      async close() {
        await driver.close();
        await server.dispose();
      },
    };
  },
  {
    page: 4,
    missing: [
      { test: "an etag does not come back with the contents that it was of", reason: contentHash },
      { test: "the condition of a write is judged when the body is there", reason: `${contentHash}; see below` },
    ],
  },
);

describe("the S3 driver", () => {
  let server: S3Server;
  let resources: ReadonlyMap<string, number>;
  beforeAll(async () => {
    resources = activeResources();
    server = await startS3();
  });
  afterAll(async () => {
    await server.dispose();
    await expectNoResourceLeft(resources);
  });

  test("judges the condition of a write when the body is there", async () => {
    await using driver = driverOf(server);
    async function* overtaken(by: string): AsyncGenerator<Uint8Array> {
      yield bytes("late ");
      await driver.put("overtaken", bytes(by));
      yield bytes("body");
    }
    expect(await driver.write("overtaken", overtaken("first"), { condition: "absent" })).toBe("lost");
    const { etag } = (await driver.read("overtaken")) as { etag: string };
    expect(await driver.write("overtaken", overtaken("second"), { condition: { ifMatch: etag } })).toBe("lost");
    expect(String(await server.buckets.read("test", "overtaken"))).toBe("second");
  });

  test("keeps its keys below its prefix, whatever slashes that has", async () => {
    for (const prefix of ["a/b", "/a/b/", "a/b//"]) {
      await using driver = driverOf(server, { prefix });
      await driver.put("c", bytes(prefix));
      expect(String(await server.buckets.read("test", "a/b/c"))).toBe(prefix);
      expect((await driver.list("")).objects.map(({ key }) => key)).toEqual(["c"]);
    }
  });

  test("lists keys of any characters as they are, in pages, from any place", async () => {
    await using driver = driverOf(server, { prefix: "odd +%/é", page: 3 });
    const keys = [" ", "+", "%2B", "a&b", "<a>", "é", "\u{1f600}", "a/../b", "\u0001"].toSorted(compareKeys);
    for (const key of keys) await driver.put(key, bytes("x"));
    const seen: string[] = [];
    for (let after: string | undefined, more = true; more; after = seen.at(-1)) {
      const page = await driver.list("", { after });
      seen.push(...page.objects.map(({ key }) => key));
      more = page.more;
    }
    expect(seen).toEqual(keys);
  });

  test("says how old an object is by the server's clock", async () => {
    await using ahead = await startS3({ clockOffsetMs: 60_000 });
    await using driver = driverOf(ahead);
    await driver.put("a", bytes("x"));
    const found = await driver.get("a");
    expect(found).toMatchObject({ ageMs: expect.any(Number) as number });
    expect((found as { ageMs: number }).ageMs).toBeLessThan(30_000);
    ahead.faults.add({ kind: "staleClock", offsetMs: 120_000 });
    expect((await driver.get("a")) as object).toMatchObject({ ageMs: expect.any(Number) as number });
  });

  test("asks with the bucket in the host name where that is wanted", async () => {
    const hosts: string[] = [];
    // Not every system knows the names below localhost.
    const lookup = vi.spyOn(dns, "lookup").mockImplementation(((host: string, options: object, found: LookupDone) => {
      hosts.push(host);
      if ((options as { all?: boolean }).all) found(null, [{ address: "127.0.0.1", family: 4 }]);
      else found(null, "127.0.0.1", 4);
    }) as never);
    await using driver = driverOf({ ...server, endpoint: server.virtualEndpoint }, { forcePathStyle: false });
    await driver.put("by-host", bytes("x"));
    lookup.mockRestore();
    expect(hosts).toContain("test.localhost");
    expect(String(await server.buckets.read("test", "by-host"))).toBe("x");
  });

  test("names itself by its address, with the server where that is not AWS", async () => {
    const { endpoint, credentials } = server;
    await using plain = driverOf({ endpoint, region: "eu-west-1", credentials }, { endpoint: undefined, prefix: "x/" });
    expect(plain.name).toBe("s3://test/x");
    await using other = driverOf({ ...server, endpoint: endpoint.replace("//", "//user:password@") });
    expect(other.name).toBe(`s3://test at ${new URL(endpoint).host}`);
  });

  test("uses the same connection again, and ends it when it is closed", async () => {
    const before = activeResources().get("TCPSocketWrap") ?? 0;
    const driver = driverOf(server);
    for (let times = 0; times < 5; times++) await driver.put("a", bytes("x"));
    await driver.write("a", pieces(new Uint8Array(3_000_000)));
    // One at each end.
    expect((activeResources().get("TCPSocketWrap") ?? 0) - before).toBeLessThanOrEqual(2);
    await driver.close();
    await expectNoResourceLeft(
      new Map([...activeResources()].map(([kind, count]) => [kind, kind === "TCPSocketWrap" ? before : count])),
    );
  });

  test("says what to install where the SDK is not", async () => {
    const { code, stdout } = await runScript(fileURLToPath(new URL("programs/s3-without-sdk.ts", import.meta.url)));
    expect(code).toBe(0);
    const errors = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(errors.length).toBe(2);
    for (const error of errors)
      expect(error).toMatchObject({
        message:
          'Cannot use s3://test: package @aws-sdk/client-s3 is not installed; run "npm install @aws-sdk/client-s3"',
        maybe: false,
        transient: false,
      });
  });

  test("refuses a prefix that leaves no room for keys, and an endpoint that is none", () => {
    expect(() => driverOf(server, { prefix: "x".repeat(124) })).toThrow(
      /Cannot use prefix .*: it has 124 bytes; at most 123/,
    );
    expect(() => driverOf({ ...server, endpoint: "nowhere" })).toThrow(/Cannot use endpoint "nowhere"/);
  });
});
