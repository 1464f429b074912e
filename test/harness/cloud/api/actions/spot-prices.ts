import {
  DescribeSpotPriceHistory$,
  type DescribeSpotPriceHistoryRequest,
  type DescribeSpotPriceHistoryResult,
  type _InstanceType,
} from "@aws-sdk/client-ec2";
import { action } from "./action.ts";
import { filtered } from "./filters.ts";
import { pageOf } from "./paging.ts";

const product = "Linux/UNIX";

interface Price {
  readonly type: string;
  readonly zone: string;
  readonly price: string;
}

/** The prices of now. There is no past: each pool has one price, which has held since the time that is asked for. */
export const describeSpotPriceHistory = action<DescribeSpotPriceHistoryRequest, DescribeSpotPriceHistoryResult>(
  DescribeSpotPriceHistory$,
  (input, { account }) => {
    const types = input.InstanceTypes?.length ? input.InstanceTypes : [...account.types.keys()];
    const zones = [...new Set([...account.subnets.values()].map(({ zone }) => zone))];
    const products = input.ProductDescriptions ?? [product];
    const all = types.flatMap((type) => {
      const facts = account.types.get(type);
      if (!facts || !products.some((one) => one.startsWith(product))) return [];
      return zones
        .filter((zone) => (input.AvailabilityZone ?? zone) === zone)
        .map((zone): Price => ({ type, zone, price: account.prices.spot(type, zone, facts.price).toFixed(6) }));
    });
    const found = filtered(all, input.Filters, {
      "instance-type": ({ type }) => [type],
      "availability-zone": ({ zone }) => [zone],
      "product-description": () => [product],
      "spot-price": ({ price }) => [price],
    });
    const { items, ...next } = pageOf(found, input, { min: 1, max: 1000 });
    const Timestamp = input.StartTime ?? new Date(account.now());
    return {
      ...next,
      SpotPriceHistory: items.map(({ type, zone, price }) => ({
        InstanceType: type as _InstanceType,
        AvailabilityZone: zone,
        ProductDescription: product,
        SpotPrice: price,
        Timestamp,
      })),
    };
  },
);
