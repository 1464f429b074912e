import type { TagSpecification } from "@aws-sdk/client-ec2";
import { Ec2Error } from "../wire/errors.ts";

const invalid = (message: string) => new Ec2Error("InvalidParameterValue", message);
export const maxTags = 50;

/** Checks tags as they were given and returns them. Throws for a reserved, long or repeated key and for too many. */
export function checkedTags(
  tags: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[],
): Map<string, string> {
  const found = new Map<string, string>();
  for (const { Key: key, Value: value = "" } of tags) {
    if (key === undefined || key === "") throw invalid("Tag key cannot be null or empty");
    if (/^aws:/i.test(key)) throw invalid("Tag keys starting with 'aws:' are reserved for internal use");
    if (key.length > 128) throw invalid(`Tag key exceeds the maximum length of 128 characters: ${key}`);
    if (value.length > 256) throw invalid(`Tag value exceeds the maximum length of 256 characters: ${key}`);
    if (found.has(key)) throw invalid(`Duplicate tag key '${key}' specified.`);
    found.set(key, value);
  }
  if (found.size > maxTags) {
    throw new Ec2Error("TagLimitExceeded", `More than ${maxTags} tags per resource are not allowed.`);
  }
  return found;
}

/** Checks tag specifications: tags by the kind of resource, of which only some are allowed here. */
export function tagsByResource(
  specifications: readonly TagSpecification[] | undefined,
  allowed: readonly string[],
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const { ResourceType: type, Tags: tags } of specifications ?? []) {
    if (type === undefined) throw invalid("Tag specification resource type must have a value");
    if (!allowed.includes(type)) throw invalid(`'${type}' is not a valid taggable resource type for this operation.`);
    if (!tags?.length) throw invalid("Tag specification must have at least one tag");
    if (found.has(type))
      throw invalid(`The same resource type may not be specified more than once in tag specifications`);
    found.set(type, checkedTags(tags));
  }
  return found;
}

/** Keys that the metadata service can show are of fewer characters. */
export function checkMetadataTags(tags: ReadonlyMap<string, string>): void {
  for (const key of tags.keys()) {
    if (!/^[\w\-+=,.@:]{1,255}$/.test(key) || /^(\.{1,2}|_index)$/.test(key)) {
      throw invalid(
        `'${key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`,
      );
    }
  }
}

export function tagList(tags: ReadonlyMap<string, string>): { Key: string; Value: string }[] {
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
}
