/** How EC2 refuses, and what that means for whoever asked. */
import { Ec2Error } from "../../errors.ts";

type FailureKind = Ec2Error["kind"];

/** The first that fits. */
const kinds: readonly (readonly [FailureKind, RegExp])[] = [
  ["throttled", /^(RequestLimitExceeded|Throttling|ThrottlingException|EC2ThrottledException|SlowDown)$/],
  ["capacity", /^(Insufficient\w+|UnfulfillableCapacity|SpotMaxPriceTooLow|Unsupported|UnsupportedOperation)$/],
  ["quota", /(LimitExceeded|InstanceCountExceeded|QuotaExceeded)$/],
  [
    "denied",
    /^(Unauthorized|OperationNotPermitted|Auth|AccessDenied|OptIn|Blocked|Pending|InvalidClientTokenId|Signature|Unrecognized)/,
  ],
  ["denied", /^(RequestExpired|ExpiredToken|CredentialsProviderError)/],
  ["invalid", /^(Invalid|Missing|Malformed|Unknown|Idempotent|Validation)/],
];

const advice: Record<FailureKind, string> = {
  capacity: "; name more instanceTypes, or subnets in more zones",
  quota: "; ask AWS for a higher quota, or lower max of the pool",
  throttled: "; the account makes too many requests",
  denied: "; see the policy of the parent in terraform/, and its credentials",
  invalid: "; check the options of ec2()",
  transient: "",
};

export function kindOf(reason: string): FailureKind {
  return kinds.find(([, pattern]) => pattern.test(reason))?.[0] ?? "transient";
}

/** `reason`: EC2's code for it; `message`: what it says besides. */
export function ec2Error(doing: string, reason: string, message: string, cause?: unknown): Ec2Error {
  const kind = kindOf(reason);
  const permanent = kind === "denied" || kind === "invalid" || kind === "quota";
  const text = `Cannot ${doing}: ${reason}: ${message.replace(/\.$/, "")}${advice[kind]}`;
  return new Ec2Error(text, { cause, kind, reason, permanent });
}
