import type { RequestLaunchTemplateData } from "@aws-sdk/client-ec2";
import { Ec2Error } from "../wire/errors.ts";
import type { Account } from "./account.ts";

export interface Version {
  readonly number: number;
  readonly description: string | undefined;
  readonly data: RequestLaunchTemplateData;
  readonly createdMs: number;
}

export interface Template {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  readonly versions: Map<number, Version>;
  latest: number;
  default: number;
}

/** How a request names a template. */
export interface TemplateName {
  readonly LaunchTemplateId?: string | undefined;
  readonly LaunchTemplateName?: string | undefined;
}

/** Finds a template by its id or name. Throws as EC2 does for none, both, a malformed and an unknown one. */
export function templateOf(
  account: Account,
  { LaunchTemplateId: id, LaunchTemplateName: name }: TemplateName,
): Template {
  if (id !== undefined && name !== undefined) {
    throw new Ec2Error(
      "InvalidParameterCombination",
      "You can specify either a launch template ID or a launch template name, but not both.",
    );
  }
  if (id !== undefined) {
    if (account.rules.idSyntax && !/^lt-([\da-f]{8}|[\da-f]{17})$/.test(id)) {
      throw new Ec2Error("InvalidLaunchTemplateId.Malformed", `The launch template ID '${id}' is malformed.`);
    }
    const found = account.templates.get(id);
    if (found) return found;
    throw new Ec2Error(
      "InvalidLaunchTemplateId.NotFound",
      `The specified launch template, with template ID ${id}, does not exist.`,
    );
  }
  if (name === undefined) {
    throw new Ec2Error("MissingParameter", "Either a launch template ID or a launch template name must be specified.");
  }
  const found = [...account.templates.values()].find((one) => one.name === name);
  if (found) return found;
  throw new Ec2Error(
    "InvalidLaunchTemplateName.NotFoundException",
    `The specified launch template, with template name ${name}, does not exist.`,
  );
}

/** Finds a version by its number, `$Latest` or `$Default`. */
export function versionOf(template: Template, text: string): Version {
  const number = text === "$Latest" ? template.latest : text === "$Default" ? template.default : Number(text);
  const found = template.versions.get(number);
  if (found) return found;
  throw new Ec2Error(
    "InvalidLaunchTemplateId.VersionNotFound",
    `Could not find the specified version ${text} for the launch template with ID ${template.id}.`,
  );
}
