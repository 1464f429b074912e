import {
  DescribeInstanceAttribute$,
  type DescribeInstanceAttributeRequest,
  GetConsoleOutput$,
  type GetConsoleOutputRequest,
  type GetConsoleOutputResult,
  type InstanceAttribute,
} from "@aws-sdk/client-ec2";
import type { Instance } from "../state/instance.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action } from "./action.ts";
import { findInstances } from "./find-instances.ts";

/** How much of the console EC2 keeps. */
const consoleBytes = 65_536;

export const getConsoleOutput = action<GetConsoleOutputRequest, GetConsoleOutputResult>(
  GetConsoleOutput$,
  ({ InstanceId: id = "" }, { account }) => {
    const [instance] = findInstances(account, [id]);
    const text = Buffer.from(instance?.machine?.console() ?? "").subarray(-consoleBytes);
    return {
      InstanceId: id,
      Timestamp: new Date(account.now()),
      ...(text.length > 0 ? { Output: text.toString("base64") } : {}),
    };
  },
);

const attributes: Readonly<Record<string, (instance: Instance) => Omit<InstanceAttribute, "InstanceId">>> = {
  userData: ({ facts: { plan } }) => ({
    UserData: plan.userData.length > 0 ? { Value: plan.userData.toString("base64") } : {},
  }),
  instanceInitiatedShutdownBehavior: ({ facts: { plan } }) => ({
    InstanceInitiatedShutdownBehavior: { Value: plan.onShutdown },
  }),
  instanceType: ({ facts: { plan } }) => ({ InstanceType: { Value: plan.type } }),
  disableApiTermination: ({ facts: { plan } }) => ({
    DisableApiTermination: { Value: plan.spec.DisableApiTermination ?? false },
  }),
  ebsOptimized: ({ facts: { plan } }) => ({ EbsOptimized: { Value: plan.spec.EbsOptimized ?? false } }),
  rootDeviceName: ({ facts: { plan } }) => ({ RootDeviceName: { Value: plan.rootDevice } }),
  groupSet: ({ facts: { plan } }) => ({ Groups: plan.groupIds.map((GroupId) => ({ GroupId })) }),
};

export const describeInstanceAttribute = action<DescribeInstanceAttributeRequest, InstanceAttribute>(
  DescribeInstanceAttribute$,
  ({ InstanceId: id = "", Attribute: name = "" }, { account }) => {
    const read = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (!read) throw new Ec2Error("InvalidParameterValue", `Value (${name}) for parameter attribute is invalid.`);
    const [instance] = findInstances(account, [id]);
    return { InstanceId: id, ...(instance ? read(instance) : {}) };
  },
);
