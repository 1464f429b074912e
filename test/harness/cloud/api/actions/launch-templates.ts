import {
  CreateLaunchTemplate$,
  type CreateLaunchTemplateRequest,
  type CreateLaunchTemplateResult,
  DeleteLaunchTemplate$,
  type DeleteLaunchTemplateRequest,
  type DeleteLaunchTemplateResult,
  DescribeLaunchTemplates$,
  type DescribeLaunchTemplatesRequest,
  type DescribeLaunchTemplatesResult,
  type LaunchTemplate,
  type RequestLaunchTemplateData,
} from "@aws-sdk/client-ec2";
import { type Account, newId, tagsOf } from "../state/account.ts";
import { tagList, tagsByResource } from "../state/tags.ts";
import { type Template, templateOf } from "../state/template.ts";
import { userDataOf } from "../state/user-data.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action } from "./action.ts";
import { filtered } from "./filters.ts";
import { pageOf } from "./paging.ts";

export function launchTemplateOf(account: Account, template: Template, caller: string): LaunchTemplate {
  return {
    LaunchTemplateId: template.id,
    LaunchTemplateName: template.name,
    CreateTime: new Date(template.createdMs),
    CreatedBy: caller,
    DefaultVersionNumber: template.default,
    LatestVersionNumber: template.latest,
    Tags: tagList(tagsOf(account, template.id, "launch-template")),
  };
}

/** Checks what EC2 checks of a template before anything is launched from it. */
export function checkTemplateData({ rules }: Account, data: RequestLaunchTemplateData): void {
  userDataOf(data.UserData, rules.userDataLimit);
  tagsByResource(data.TagSpecifications, ["instance", "volume", "network-interface", "spot-instances-request"]);
}

export const createLaunchTemplate = action<CreateLaunchTemplateRequest, CreateLaunchTemplateResult>(
  CreateLaunchTemplate$,
  (input, call) => {
    const { account, caller } = call;
    const { ClientToken, DryRun: _dry, ...parameters } = input;
    const {
      LaunchTemplateName: name = "",
      LaunchTemplateData: data = {},
      VersionDescription,
      TagSpecifications,
    } = input;
    const template = account.tokens.once("CreateLaunchTemplate", ClientToken, parameters, () => {
      if (!/^[\w().\-/]{3,128}$/.test(name)) {
        throw new Ec2Error(
          "InvalidLaunchTemplateName.MalformedException",
          `The launch template name '${name}' is malformed.`,
        );
      }
      if ([...account.templates.values()].some((one) => one.name === name)) {
        throw new Ec2Error("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.");
      }
      checkTemplateData(account, data);
      const tags = tagsByResource(TagSpecifications, ["launch-template"]).get("launch-template") ?? new Map();
      if (tags.size > 0) call.require("ec2:CreateTags");
      const createdMs = account.now();
      const version = { number: 1, description: VersionDescription, data, createdMs };
      const made: Template = {
        id: newId("lt"),
        name,
        createdMs,
        versions: new Map([[1, version]]),
        latest: 1,
        default: 1,
      };
      account.templates.set(made.id, made);
      for (const [key, value] of tags) tagsOf(account, made.id, "launch-template").set(key, value);
      return made;
    });
    return { LaunchTemplate: launchTemplateOf(account, template, caller) };
  },
);

export const deleteLaunchTemplate = action<DeleteLaunchTemplateRequest, DeleteLaunchTemplateResult>(
  DeleteLaunchTemplate$,
  (input, { account, caller }) => {
    const template = templateOf(account, input);
    const shown = launchTemplateOf(account, template, caller);
    account.templates.delete(template.id);
    account.tagged.delete(template.id);
    return { LaunchTemplate: shown };
  },
);

export const describeLaunchTemplates = action<DescribeLaunchTemplatesRequest, DescribeLaunchTemplatesResult>(
  DescribeLaunchTemplates$,
  (input, { account, caller }) => {
    const { LaunchTemplateIds: ids = [], LaunchTemplateNames: names = [], Filters } = input;
    const named = [
      ...ids.map((LaunchTemplateId) => templateOf(account, { LaunchTemplateId })),
      ...names.map((LaunchTemplateName) => templateOf(account, { LaunchTemplateName })),
    ];
    const all = ids.length + names.length > 0 ? named : [...account.templates.values()];
    const fields = {
      "launch-template-name": ({ name }: Template) => [name],
      "create-time": ({ createdMs }: Template) => [new Date(createdMs).toISOString()],
    };
    const found = filtered(all, Filters, fields, ({ id }) => tagsOf(account, id, "launch-template"));
    const { items, ...next } = pageOf(found, input, { min: 1, max: 200 });
    return { LaunchTemplates: items.map((one) => launchTemplateOf(account, one, caller)), ...next };
  },
);
