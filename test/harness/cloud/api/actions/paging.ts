import { Ec2Error } from "../wire/errors.ts";

export interface PageRequest {
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}

export interface Page<T> {
  readonly items: T[];
  readonly NextToken?: string;
}

const mark = "page:";

function startOf(token: string | undefined): number {
  if (token === undefined || token === "") return 0;
  const text = Buffer.from(token, "base64").toString();
  const place = text.startsWith(mark) ? Number(text.slice(mark.length)) : NaN;
  if (!Number.isInteger(place)) throw new Ec2Error("InvalidNextToken", "The token is not valid.");
  return place;
}

/**
 * One page of a list. `placeOf` gives each item a number that grows along the list and stays its own, so that items that
 * come or go between two pages do not move the others.
 */
export function pageOf<T>(
  items: readonly T[],
  { MaxResults: size, NextToken: token }: PageRequest,
  limits: { readonly min: number; readonly max: number; readonly paged?: boolean },
  placeOf: (item: T, index: number) => number = (_item, index) => index,
): Page<T> {
  if (size !== undefined && !(size >= limits.min && size <= limits.max)) {
    throw new Ec2Error(
      "InvalidParameterValue",
      `Value ( ${size} ) for parameter maxResults is invalid. Expecting a value between ${limits.min} and ${limits.max}.`,
    );
  }
  const start = startOf(token);
  const rest = items
    .map((item, index) => ({ item, place: placeOf(item, index) }))
    .filter(({ place }) => place >= start);
  const page = limits.paged === false ? rest : rest.slice(0, size ?? limits.max);
  const next = rest[page.length];
  return {
    items: page.map(({ item }) => item),
    ...(next ? { NextToken: Buffer.from(`${mark}${next.place}`).toString("base64") } : {}),
  };
}
