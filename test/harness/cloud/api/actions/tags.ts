import {
  CreateTags$,
  type CreateTagsRequest,
  DeleteTags$,
  type DeleteTagsRequest,
  DescribeTags$,
  type DescribeTagsRequest,
  type DescribeTagsResult,
  type ResourceType,
} from "@aws-sdk/client-ec2";
import { type Account, isListed } from "../state/account.ts";
import { checkedTags, maxTags } from "../state/tags.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action } from "./action.ts";
import { filtered } from "./filters.ts";
import { findInstances } from "./find-instances.ts";
import { pageOf } from "./paging.ts";

/** What EC2 says when a thing of a kind is not there. */
const notFound: Readonly<Record<string, string>> = {
  ami: "InvalidAMIID.NotFound",
  eni: "InvalidNetworkInterfaceID.NotFound",
  fleet: "InvalidFleetId.NotFound",
  lt: "InvalidLaunchTemplateId.NotFound",
  sg: "InvalidGroup.NotFound",
  subnet: "InvalidSubnetID.NotFound",
  vol: "InvalidVolume.NotFound",
};

/** The tags of things, each of which has to be there. Nothing is changed when one is not. */
function tagsOfAll(account: Account, ids: readonly string[]): { id: string; tags: Map<string, string> }[] {
  if (ids.length === 0) throw new Ec2Error("MissingParameter", "The request must contain the parameter resourceIdSet");
  return ids.map((id) => {
    if (id.startsWith("i-")) findInstances(account, [id]);
    const found = account.tagged.get(id);
    if (found) return { id, tags: found.tags };
    const code = notFound[/^(\w+)-[\da-f-]+$/.exec(id)?.[1] ?? ""];
    if (code === undefined) throw new Ec2Error("InvalidID", `The ID '${id}' is not valid`);
    throw new Ec2Error(code, `The ID '${id}' does not exist`);
  });
}

export const createTags = action<CreateTagsRequest, void>(CreateTags$, ({ Resources = [], Tags = [] }, { account }) => {
  if (Tags.length === 0) throw new Ec2Error("MissingParameter", "The request must contain the parameter tagSet");
  const given = checkedTags(Tags);
  const all = tagsOfAll(account, Resources);
  for (const { tags } of all) {
    const own = [...tags.keys()].filter((key) => !key.startsWith("aws:"));
    if (new Set([...own, ...given.keys()]).size > maxTags) {
      throw new Ec2Error("TagLimitExceeded", `The maximum number of Tags for a resource has been reached.`);
    }
  }
  for (const { tags } of all) for (const [key, value] of given) tags.set(key, value);
});

export const deleteTags = action<DeleteTagsRequest, void>(DeleteTags$, ({ Resources = [], Tags }, { account }) => {
  for (const { Key } of Tags ?? []) {
    if (Key?.startsWith("aws:")) {
      throw new Ec2Error("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use");
    }
  }
  for (const { tags } of tagsOfAll(account, Resources)) {
    const doomed = Tags?.length ? Tags : [...tags.keys()].map((Key) => ({ Key, Value: undefined }));
    for (const { Key: key = "", Value: value } of doomed) {
      if (key.startsWith("aws:")) continue;
      // A value given, also an empty one, has to be the tag's own.
      if (value === undefined || tags.get(key) === value) tags.delete(key);
    }
  }
});

interface OneTag {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly value: string;
}

export const describeTags = action<DescribeTagsRequest, DescribeTagsResult>(DescribeTags$, (input, { account }) => {
  const hidden = (id: string) => {
    const instance = account.instances.get(id);
    return instance !== undefined && !isListed(account, instance);
  };
  const all = [...account.tagged].flatMap(([id, { type, tags }]) =>
    hidden(id) ? [] : [...tags].map(([key, value]): OneTag => ({ id, type, key, value })),
  );
  const found = filtered(all, input.Filters, {
    "resource-id": ({ id }) => [id],
    "resource-type": ({ type }) => [type],
    key: ({ key }) => [key],
    value: ({ value }) => [value],
  });
  const { items, ...next } = pageOf(found, input, { min: 5, max: 1000 });
  const Tags = items.map(({ id, type, key, value }) => ({
    ResourceId: id,
    ResourceType: type as ResourceType,
    Key: key,
    Value: value,
  }));
  return { Tags, ...next };
});
