import {
  CreateLaunchTemplateVersion$,
  type CreateLaunchTemplateVersionRequest,
  type CreateLaunchTemplateVersionResult,
  DeleteLaunchTemplateVersions$,
  type DeleteLaunchTemplateVersionsRequest,
  type DeleteLaunchTemplateVersionsResult,
  DescribeLaunchTemplateVersions$,
  type DescribeLaunchTemplateVersionsRequest,
  type DescribeLaunchTemplateVersionsResult,
  type LaunchTemplateVersion,
  type ResponseLaunchTemplateData,
} from "@aws-sdk/client-ec2";
import type { Account } from "../state/account.ts";
import { type Template, templateOf, type Version, versionOf } from "../state/template.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action } from "./action.ts";
import { filtered } from "./filters.ts";
import { checkTemplateData } from "./launch-templates.ts";
import { pageOf } from "./paging.ts";

function shown(template: Template, version: Version, caller: string): LaunchTemplateVersion {
  return {
    LaunchTemplateId: template.id,
    LaunchTemplateName: template.name,
    VersionNumber: version.number,
    DefaultVersion: template.default === version.number,
    CreateTime: new Date(version.createdMs),
    CreatedBy: caller,
    LaunchTemplateData: version.data as ResponseLaunchTemplateData,
    ...(version.description === undefined ? {} : { VersionDescription: version.description }),
  };
}

export const createLaunchTemplateVersion = action<
  CreateLaunchTemplateVersionRequest,
  CreateLaunchTemplateVersionResult
>(CreateLaunchTemplateVersion$, (input, { account, caller }) => {
  const { ClientToken, DryRun: _dry, ...parameters } = input;
  const { LaunchTemplateData: data = {}, SourceVersion: source, VersionDescription } = input;
  const template = templateOf(account, input);
  const version = account.tokens.once("CreateLaunchTemplateVersion", ClientToken, parameters, () => {
    const below = source === undefined || !account.rules.sourceVersion ? {} : versionOf(template, source).data;
    const merged = { ...below, ...data };
    checkTemplateData(account, merged);
    if (template.versions.size >= 10_000) {
      throw new Ec2Error("VersionLimitExceeded", "A launch template may have up to 10000 versions");
    }
    const number = ++template.latest;
    const made: Version = { number, description: VersionDescription, data: merged, createdMs: account.now() };
    template.versions.set(number, made);
    return made;
  });
  return { LaunchTemplateVersion: shown(template, version, caller) };
});

function numberOf(template: Template, text: string): number {
  return text === "$Latest" ? template.latest : text === "$Default" ? template.default : Number(text);
}

export const deleteLaunchTemplateVersions = action<
  DeleteLaunchTemplateVersionsRequest,
  DeleteLaunchTemplateVersionsResult
>(DeleteLaunchTemplateVersions$, (input, { account }) => {
  const template = templateOf(account, input);
  const { Versions: asked = [] } = input;
  if (asked.length > 200) throw new Ec2Error("InvalidParameterValue", "Up to 200 versions may be named at a time");
  const names = { LaunchTemplateId: template.id, LaunchTemplateName: template.name };
  const done: NonNullable<DeleteLaunchTemplateVersionsResult["SuccessfullyDeletedLaunchTemplateVersions"]> = [];
  const failed: NonNullable<DeleteLaunchTemplateVersionsResult["UnsuccessfullyDeletedLaunchTemplateVersions"]> = [];
  for (const text of asked) {
    if (!/^\d+$/.test(text)) throw new Ec2Error("InvalidParameterValue", `Invalid launch template version: ${text}`);
    const number = numberOf(template, text);
    const item = { ...names, VersionNumber: number };
    if (account.rules.keepsDefaultVersion && number === template.default) {
      const Message = "Cannot delete the default launch template version.";
      failed.push({ ...item, ResponseError: { Code: "unexpectedError", Message } });
    } else if (template.versions.delete(number)) done.push(item);
    else {
      const Message = `The launch template version '${number}' does not exist.`;
      failed.push({ ...item, ResponseError: { Code: "launchTemplateVersionDoesNotExist", Message } });
    }
  }
  return {
    SuccessfullyDeletedLaunchTemplateVersions: done,
    UnsuccessfullyDeletedLaunchTemplateVersions: failed,
  };
});

/** Which template and versions are asked for; without a template only the latest or default ones of all. */
function chosen(
  account: Account,
  input: DescribeLaunchTemplateVersionsRequest,
): { template: Template; version: Version }[] {
  const { Versions: names = [], MinVersion, MaxVersion, LaunchTemplateId, LaunchTemplateName } = input;
  if (LaunchTemplateId === undefined && LaunchTemplateName === undefined) {
    if (names.length === 0 || names.some((name) => !/^\$(Latest|Default)$/.test(name))) {
      throw new Ec2Error(
        "MissingParameter",
        "Either a launch template ID or name, or $Latest or $Default must be specified.",
      );
    }
    return [...account.templates.values()].flatMap((template) =>
      names.map((name) => ({ template, version: versionOf(template, name) })),
    );
  }
  const template = templateOf(account, input);
  if (names.length > 0) {
    if (MinVersion !== undefined || MaxVersion !== undefined) {
      throw new Ec2Error(
        "InvalidParameterCombination",
        "Versions may not be used together with MinVersion or MaxVersion",
      );
    }
    return names.map((name) => ({ template, version: versionOf(template, name) }));
  }
  const from = MinVersion === undefined ? 0 : numberOf(template, MinVersion);
  const to = MaxVersion === undefined ? Infinity : numberOf(template, MaxVersion);
  return [...template.versions.values()]
    .filter(({ number }) => number >= from && number <= to)
    .toSorted((left, right) => right.number - left.number)
    .map((version) => ({ template, version }));
}

export const describeLaunchTemplateVersions = action<
  DescribeLaunchTemplateVersionsRequest,
  DescribeLaunchTemplateVersionsResult
>(DescribeLaunchTemplateVersions$, (input, { account, caller }) => {
  type One = ReturnType<typeof chosen>[number];
  const fields = {
    "is-default-version": ({ template, version }: One) => [String(template.default === version.number)],
    "image-id": ({ version }: One) => [version.data.ImageId],
    "instance-type": ({ version }: One) => [version.data.InstanceType],
  };
  const found = filtered(chosen(account, input), input.Filters, fields);
  const { items, ...next } = pageOf(found, input, { min: 1, max: 200 });
  return { LaunchTemplateVersions: items.map(({ template, version }) => shown(template, version, caller)), ...next };
});
