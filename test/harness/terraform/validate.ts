/** What the AWS provider checks itself, where terraform does not: values that only it gives, and words of which AWS knows a few. */
import {
  DomainType,
  HttpTokensState,
  InstanceMetadataEndpointState,
  InstanceMetadataProtocolState,
  InstanceMetadataTagsState,
  ResourceType,
  ShutdownBehavior,
  VolumeType,
  VpcEndpointType,
} from "@aws-sdk/client-ec2";
import { BucketVersioningStatus, ExpirationStatus, ObjectOwnership, ServerSideEncryption } from "@aws-sdk/client-s3";
import { unknown, type Value } from "./msgpack.ts";
import type { Block } from "./schema.ts";

const yesOrNo = { yes: "true", no: "false" };

/** By type of resource and argument, the words that the SDKs of AWS have for it. */
const words: Record<string, Record<string, Record<string, string>>> = {
  aws_launch_template: {
    instance_initiated_shutdown_behavior: ShutdownBehavior,
    http_tokens: HttpTokensState,
    http_endpoint: InstanceMetadataEndpointState,
    http_protocol_ipv6: InstanceMetadataProtocolState,
    instance_metadata_tags: InstanceMetadataTagsState,
    volume_type: VolumeType,
    resource_type: ResourceType,
    encrypted: yesOrNo,
    delete_on_termination: yesOrNo,
  },
  aws_vpc_endpoint: { vpc_endpoint_type: VpcEndpointType },
  aws_eip: { domain: DomainType },
  // "Disabled" is the provider's word for a bucket that never had versions.
  aws_s3_bucket_versioning: { status: { ...BucketVersioningStatus, Disabled: "Disabled" } },
  aws_s3_bucket_lifecycle_configuration: { status: ExpirationStatus },
  aws_s3_bucket_ownership_controls: { object_ownership: ObjectOwnership },
  aws_s3_bucket_server_side_encryption_configuration: { sse_algorithm: ServerSideEncryption },
  aws_imagebuilder_infrastructure_configuration: { http_tokens: HttpTokensState },
  aws_imagebuilder_component: { platform: { Linux: "Linux", Windows: "Windows", macOS: "macOS" } },
  aws_imagebuilder_image_recipe: { volume_type: VolumeType, delete_on_termination: yesOrNo },
};

/** Why a configuration is not valid, in a sentence each. */
export function complaints(type: string, block: Block, value: Value): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => complaints(type, block, one));
  if (typeof value !== "object" || value === null) return [];
  const found: string[] = [];
  for (const [name, held] of Object.entries(value)) {
    const nested = block.blocks?.[name];
    if (nested) found.push(...complaints(type, nested.block, held));
    if (held === null || held === unknown) continue;
    const [mode = ""] = [block.attributes[name]].flat();
    if (String(mode).startsWith("computed"))
      found.push(`Can't configure a value for "${name}": only the provider gives it one`);
    const allowed = words[type]?.[name];
    if (allowed && !Object.values(allowed).includes(String(held)))
      found.push(`expected ${name} to be one of ${Object.values(allowed).slice(0, 8).join(", ")}, got ${String(held)}`);
  }
  return found;
}
