/** What names of EC2 mean: of types, of refusals, of places without capacity. */
import { expect, test } from "vitest";
import type { Offer } from "../../../src/backends/ec2/api.ts";
import { Scarce } from "../../../src/backends/ec2/capacity.ts";
import { ec2Error, kindOf } from "../../../src/backends/ec2/failures.ts";
import { coresOf, usualTypes } from "../../../src/backends/ec2/sizes.ts";
import { FakeClock } from "../../harness/fake-clock.ts";

test.each([
  ["t3.nano", 2],
  ["t4g.small", 2],
  ["t2.medium", 2],
  ["m1.small", 1],
  ["m7i.medium", 1],
  ["c7i.large", 2],
  ["c7i.xlarge", 4],
  ["c7i.2xlarge", 8],
  ["m7i.48xlarge", 192],
  ["m7i.metal", undefined],
  ["m7i.metal-24xl", undefined],
  ["large", undefined],
  ["", undefined],
])("the name %s says %s cores", (type, cores) => {
  expect(coresOf(type)).toBe(cores);
});

test("what is rented when nobody says has two cores, in several families of each architecture", () => {
  for (const types of Object.values(usualTypes)) {
    expect(new Set(types.map(coresOf))).toEqual(new Set([2]));
    expect(new Set(types.map((type) => type.split(".")[0])).size).toBeGreaterThan(4);
  }
  // Graviton is an "g" after the number.
  for (const type of usualTypes["arm64"]!) expect(type).toMatch(/^[a-z]\dg\./);
  for (const type of usualTypes["x64"]!) expect(type).toMatch(/^[a-z]\d[ai]\./);
});

test.each([
  ["throttled", "RequestLimitExceeded Throttling ThrottlingException EC2ThrottledException SlowDown"],
  [
    "capacity",
    "InsufficientInstanceCapacity InsufficientHostCapacity InsufficientFreeAddressesInSubnet UnfulfillableCapacity SpotMaxPriceTooLow Unsupported",
  ],
  ["quota", "VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded VersionLimitExceeded"],
  [
    "denied",
    "UnauthorizedOperation AuthFailure AuthFailure.ServiceLinkedRoleCreationNotPermitted AccessDenied AccessDeniedException OptInRequired Blocked PendingVerification InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException RequestExpired ExpiredToken CredentialsProviderError OperationNotPermitted",
  ],
  [
    "invalid",
    "InvalidAMIID.NotFound InvalidParameterValue MissingParameter MalformedQueryString UnknownParameter IdempotentParameterMismatch ValidationError",
  ],
  ["transient", "InternalError ServiceUnavailable Unavailable RequestTimeout TimeoutError AbortError ECONNRESET Error"],
] as const)("is %s", (kind, reasons) => {
  for (const reason of reasons.split(" ")) expect({ reason, kind: kindOf(reason) }).toEqual({ reason, kind });
});

test.each([
  ["InsufficientInstanceCapacity", false, "name more instanceTypes, or subnets in more zones"],
  ["VcpuLimitExceeded", true, "ask AWS for a higher quota, or lower max of the pool"],
  ["RequestLimitExceeded", false, "the account makes too many requests"],
  ["UnauthorizedOperation", true, "see the policy of the parent in terraform/, and its credentials"],
  ["InvalidSubnetID.NotFound", true, "check the options of ec2()"],
])(
  "%s is told in a sentence that ends with what to do, and says whether waiting helps",
  (reason, permanent, advice) => {
    const cause = new Error("its own");
    const error = ec2Error("launch 2 instances", reason, "There is none.", cause);
    expect(error.message).toBe(`Cannot launch 2 instances: ${reason}: There is none; ${advice}`);
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_EC2", kind: kindOf(reason), reason, permanent, cause });
  },
);

test("what is of no known kind has no advice, and may succeed later", () => {
  expect(ec2Error("look", "InternalError", "Oops").message).toBe("Cannot look: InternalError: Oops");
  expect(ec2Error("look", "InternalError", "Oops").permanent).toBe(false);
});

test("what there is none of is left out for three minutes: a type, in a zone, of a market", () => {
  const clock = new FakeClock();
  const scarce = new Scarce(clock);
  const offers: Offer[] = [
    { type: "a", zone: "1", subnet: "s1" },
    { type: "a", zone: "2", subnet: "s2" },
    { type: "b", zone: "1", subnet: "s1" },
    { type: "a", zone: "1", subnet: "another in the zone" },
  ];
  scarce.add(offers[0]!, "spot");
  expect(scarce.without(offers, "spot")).toEqual([offers[1], offers[2]]);
  expect(scarce.without(offers, "on-demand")).toEqual(offers);
  clock.advance(100_000);
  scarce.add(offers[1]!, "spot");
  clock.advance(79_999);
  expect(scarce.without(offers, "spot")).toEqual([offers[2]]);
  clock.advance(1);
  expect(scarce.without(offers, "spot")).toEqual([offers[0], offers[2], offers[3]]);
  // Asked again and refused again, it is left out anew.
  scarce.add(offers[0]!, "spot");
  clock.advance(100_000);
  expect(scarce.without(offers, "spot")).toEqual([offers[1], offers[2]]);
});
