import { expect, test } from "vitest";
import { StoreDataError } from "../../src/errors.ts";
import { newBeat, readLease, recordKey, writeLease } from "../../src/store/lease-record.ts";
import { World } from "./lease-world.ts";

const facts = { store: "memory:", key: "job" };
const record = { token: 7, holder: "host:1:a", ttl: 30_000, beat: "n" };
const text = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

test("a record reads as it was written, held or not", () => {
  for (const each of [record, { ...record, holder: null }]) expect(readLease(writeLease(each), facts)).toEqual(each);
  expect(JSON.parse(writeLease(record).toString())).toEqual({ tinderbox: "lease", ...record });
});

test("no two beats are the same", () => {
  expect(new Set(Array.from({ length: 1_000 }, newBeat)).size).toBe(1_000);
});

test.each([
  ["no JSON", "hello", /was not written by a lease/],
  ["null", null, /was not written by a lease/],
  ["a list", [], /was not written by a lease/],
  ["a cell", { tinderbox: "cell", value: 1 }, /was not written by a lease/],
  ["a field that is not known", { tinderbox: "lease", ...record, region: "eu" }, /newer version/],
  ["a token of zero", { tinderbox: "lease", ...record, token: 0 }, /damaged/],
  ["a broken token", { tinderbox: "lease", ...record, token: 1.5 }, /damaged/],
  ["no holder at all", { tinderbox: "lease", ...record, holder: undefined }, /damaged/],
  ["a ttl that is no number", { tinderbox: "lease", ...record, ttl: "30s" }, /damaged/],
  ["a ttl of zero", { tinderbox: "lease", ...record, ttl: 0 }, /damaged/],
  ["no beat", { tinderbox: "lease", ...record, beat: undefined }, /damaged/],
])("%s is refused with what is wrong and where", (_name, body, message) => {
  const read = () => readLease(text(body), facts);
  expect(read).toThrow(StoreDataError);
  expect(read).toThrow(message);
  expect(read).toThrow('".tinderbox/lease/job"');
  expect(read).toThrow(expect.objectContaining({ ...facts, transient: false }) as Error);
});

test("something else at the place of a lease is never overwritten", async () => {
  const world = new World();
  await world.put("job", "hello");
  const { leases } = world.node("a");
  await expect(world.until(leases.lease("job"))).rejects.toThrow(StoreDataError);
  await expect(world.until(leases.lock("job"))).rejects.toThrow(StoreDataError);
  await expect(world.until(leases.elect("job", () => 1))).rejects.toThrow(StoreDataError);
  expect(world.written).toEqual([]);
  expect(world.clock.pending()).toBe(0);
});

test("a key is a string that fits with its prefix into what a store takes", () => {
  expect(recordKey("a/b")).toBe(".tinderbox/lease/a/b");
  const longest = "é".repeat(441);
  expect(Buffer.byteLength(recordKey(longest))).toBeLessThanOrEqual(900);
  for (const key of ["", `${longest}éé`, 5, undefined, null]) expect(() => recordKey(key)).toThrow(/1 to 883 bytes/);
});
