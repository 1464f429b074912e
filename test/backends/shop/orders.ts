/** An application as its own tests would load it. */
import { hostname } from "node:os";
import { type Pool, flame } from "tinderbox";
import currency, { price, rates } from "./prices.ts";
import * as tiers from "./tiers.ts";

export const order = (pool: Pool, count: number) =>
  flame(
    () => {
      const sum = price(count);
      return { sum, tax: rates.tax, currency: currency(), tier: tiers.tier(sum), host: hostname() };
    },
    { pool },
  );
