import type { Filter } from "@aws-sdk/client-ec2";
import { Ec2Error } from "../wire/errors.ts";

/** The values of an item that each filter looks at. */
export type Fields<T> = Readonly<Record<string, (item: T) => readonly (string | undefined)[]>>;

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** `*` is any text and `?` any character; a backslash before them takes their meaning. */
function pattern(value: string): RegExp {
  const parts = value.replace(
    /\\([*?\\])|([*?])|([^*?\\]+|\\)/g,
    (_whole, literal?: string, wild?: string, plain?: string) => {
      if (wild !== undefined) return wild === "*" ? "[^]*" : "[^]";
      return escaped(literal ?? plain ?? "");
    },
  );
  return new RegExp(`^${parts}$`);
}

function fieldOf<T>(
  name: string,
  fields: Fields<T>,
  tags: ((item: T) => ReadonlyMap<string, string>) | undefined,
): (item: T) => readonly (string | undefined)[] {
  if (tags && name.startsWith("tag:")) return (item) => [tags(item).get(name.slice(4))];
  if (tags && name === "tag-key") return (item) => [...tags(item).keys()];
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field) return field;
  throw new Ec2Error("InvalidParameterValue", `The filter '${name}' is invalid`);
}

/** The items that all filters let through; within one filter one value is enough. Throws for an unknown filter. */
export function filtered<T>(
  items: readonly T[],
  filters: readonly Filter[] | undefined,
  fields: Fields<T>,
  tags?: (item: T) => ReadonlyMap<string, string>,
): T[] {
  let rest = items.slice();
  for (const { Name: name, Values: values } of filters ?? []) {
    if (name === undefined)
      throw new Ec2Error("MissingParameter", "The request must contain the parameter Filter.Name");
    if (!values?.length) throw new Ec2Error("InvalidParameterValue", `The filter '${name}' has no values`);
    if (values.length > 200) throw new Ec2Error("FilterLimitExceeded", "The maximum number of filter values is 200.");
    const field = fieldOf(name, fields, tags);
    const patterns = values.map(pattern);
    rest = rest.filter((item) =>
      field(item).some((value) => value !== undefined && patterns.some((one) => one.test(value))),
    );
  }
  return rest;
}
