import dns from "node:dns";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { compareKeys } from "../../src/store/drivers/keys.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { type S3Server, startS3 } from "../harness/s3/server.ts";
import { runScript } from "../harness/script.ts";
import { testStore } from "./conformance.ts";
import { bytes, driverOf, failure, pieces } from "./s3-site.ts";

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

  describe("finds its region", () => {
    beforeEach(() => {
      // Not that of who runs the tests.
      for (const name of ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"]) vi.stubEnv(name, "/dev/null");
      for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"]) vi.stubEnv(name, undefined);
    });
    afterEach(() => vi.unstubAllEnvs());

    test("in the environment", async () => {
      await using european = await startS3({ region: "eu-west-1" });
      vi.stubEnv("AWS_REGION", "eu-west-1");
      await using driver = driverOf(european, { region: undefined });
      expect(await driver.get("a")).toBeUndefined();
    });

    test("in that of AWS that is the first, for a server that is not AWS", async () => {
      await using driver = driverOf(server, { region: undefined });
      expect(await driver.get("none")).toBeUndefined();
    });

    test("or says that it has none, or the wrong one", async () => {
      await using without = driverOf(server, { region: undefined, endpoint: undefined });
      const error = await failure(without.put("a", bytes("x")), server);
      expect(error).toMatchObject({ transient: false, maybe: false });
      expect(error.message).toContain('the region is not known; set "region", or AWS_REGION');
      await using wrong = driverOf(server, { region: "eu-west-1" });
      const other = await failure(wrong.put("a", bytes("x")), server);
      expect(other.message).toContain('bucket "test" is in another region');
    });

    test("and its credentials", async () => {
      const { accessKeyId, secretAccessKey } = server.credentials;
      vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", undefined);
      vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
      await using without = driverOf(server, { credentials: undefined });
      const error = await failure(without.put("a", bytes("x")), server);
      expect(error).toMatchObject({ transient: false, maybe: false });
      expect(error.message).toContain("there are no credentials; set AWS_ACCESS_KEY_ID");
      vi.stubEnv("AWS_ACCESS_KEY_ID", accessKeyId);
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", secretAccessKey);
      // Looked for again.
      expect(await without.get("none")).toBeUndefined();
    });
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
    expect(() => driverOf({ ...server, endpoint: "nowhere" })).toThrow(/Cannot use the endpoint: it is no URL/);
  });
});
