/** A closure that runs inline uses those modules that the test has put in place of others. */
import type * as os from "node:os";
import { pool } from "tinderbox";
import { inline } from "tinderbox/testing";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { order } from "./shop/orders.ts";
import * as prices from "./shop/prices.ts";
import * as tiers from "./shop/tiers.ts";

vi.mock("./shop/prices.ts", () => ({
  price: vi.fn<typeof prices.price>((count) => count + 0.5),
  rates: { tax: 7 },
  default: () => "mocked",
}));
vi.mock("node:os", async (original) => ({ ...(await original<typeof os>()), hostname: () => "elsewhere" }));

const own = pool("shop", { backend: inline() });
afterAll(() => own.close());
afterEach(() => void vi.restoreAllMocks());

test("a mocked module is the one that the closure imports, its default export and its plain values, too", async () => {
  expect(await order(own, 2)).toEqual({ sum: 2.5, tax: 7, currency: "mocked", tier: "small", host: "elsewhere" });
  expect(prices.price).toHaveBeenCalledExactlyOnceWith(2);
});

test("what a mock does may change from call to call", async () => {
  vi.mocked(prices.price).mockReturnValue(500);
  expect(await order(own, 1)).toMatchObject({ sum: 500, tier: "large" });
  vi.mocked(prices.price).mockReturnValue(5);
  expect(await order(own, 1)).toMatchObject({ sum: 5, tier: "small" });
});

test("a spy on a namespace is seen, and its end as well", async () => {
  vi.mocked(prices.price).mockReturnValue(1);
  const spy = vi.spyOn(tiers, "tier").mockReturnValue("spied");
  expect(await order(own, 1)).toMatchObject({ tier: "spied" });
  expect(spy).toHaveBeenCalledExactlyOnceWith(1);
  spy.mockRestore();
  expect(await order(own, 1)).toMatchObject({ tier: "small" });
});

test("what a mock throws arrives as itself", async () => {
  vi.mocked(prices.price).mockImplementation(() => {
    throw new RangeError("sold out");
  });
  await expect(order(own, 1)).rejects.toThrow(RangeError);
});
