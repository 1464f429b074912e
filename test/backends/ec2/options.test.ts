import { afterEach, describe, expect, test, vi } from "vitest";
import {
  type Ec2Options,
  type ReapOptions,
  resolveEc2Options,
  resolveReapOptions,
} from "../../../src/backends/ec2/options.ts";

const least: Ec2Options = { launchTemplate: "lt-1", subnets: ["subnet-1"], release: { bucket: "b" } };
const withImage: Ec2Options = { image: "ami-1", subnets: ["subnet-1"], release: { bucket: "b" } };
const resolve = (more: object = {}) => resolveEc2Options({ ...least, ...more });

afterEach(() => void vi.unstubAllEnvs());

test("without more than has to be said everything has its default", () => {
  expect(resolve({ architecture: "x64" })).toEqual({
    terraform: undefined,
    region: undefined,
    endpoint: undefined,
    markets: ["spot", "on-demand"],
    instanceTypes: expect.arrayContaining(["m7i.large"]) as string[],
    cores: 2,
    subnets: ["subnet-1"],
    securityGroups: [],
    image: undefined,
    launchTemplate: "lt-1",
    instanceProfile: undefined,
    release: { bucket: "b", prefix: "tinderbox", endpoint: undefined, root: undefined, id: undefined, node: undefined },
    architecture: "x64",
    diskSizeGb: undefined,
    dial: "runner",
    parent: { host: undefined, port: 0 },
    runnerPort: 7117,
    tags: {},
    keepForDebug: false,
    allowMetadata: false,
    launchesPerMinute: 200,
    windowMs: 5_000,
    parentLostMs: 60_000,
  });
});

test("what is said is taken", () => {
  const id = "0123456789abcdef".repeat(4);
  const said = resolveEc2Options({
    ...withImage,
    region: "eu-central-1",
    spot: "only",
    instanceTypes: ["c7g.4xlarge", "c7g.xlarge"],
    securityGroups: ["sg-1"],
    instanceProfile: "runner",
    architecture: "arm64",
    diskSize: 40,
    dial: "parent",
    parent: { host: "10.0.0.1", port: 65_535 },
    runnerPort: 1,
    tags: { team: "media" },
    keepForDebug: true,
    allowMetadata: true,
    launchesPerMinute: Infinity,
    reconnectWindow: "10m",
    parentLostAfter: "605s",
    endpoint: "http://127.0.0.1:1",
    release: { bucket: "b", prefix: "a/b", endpoint: "http://127.0.0.1:2", root: "/app", id, node: "/node" },
  });
  expect(said).toEqual({
    terraform: undefined,
    region: "eu-central-1",
    endpoint: "http://127.0.0.1:1",
    markets: ["spot"],
    instanceTypes: ["c7g.4xlarge", "c7g.xlarge"],
    cores: 4,
    subnets: ["subnet-1"],
    securityGroups: ["sg-1"],
    image: "ami-1",
    launchTemplate: undefined,
    instanceProfile: "runner",
    release: { bucket: "b", prefix: "a/b", endpoint: "http://127.0.0.1:2", root: "/app", id, node: "/node" },
    architecture: "arm64",
    diskSizeGb: 40,
    dial: "parent",
    parent: { host: "10.0.0.1", port: 65_535 },
    runnerPort: 1,
    tags: { team: "media" },
    keepForDebug: true,
    allowMetadata: true,
    launchesPerMinute: Infinity,
    windowMs: 600_000,
    parentLostMs: 605_000,
  });
  expect(resolve({ spot: "never" }).markets).toEqual(["on-demand"]);
});

test("terraform may say the rest", () => {
  expect(resolveEc2Options({ terraform: "./terraform" })).toMatchObject({
    terraform: "./terraform",
    subnets: undefined,
    launchTemplate: undefined,
    release: { bucket: undefined },
  });
});

describe("is refused before anything is asked of anybody:", () => {
  test.each<[name: string, options: object, says: RegExp]>([
    ["a slip", { instanceType: "x" }, /option "instanceType" of ec2: .*did you mean "instanceTypes"/],
    ["a slip in release", { release: { bucket: "b", buckett: "c" } }, /"buckett" of release of ec2.*"bucket"/],
    ["a slip in parent", { parent: { hots: "c" } }, /"hots" of parent of ec2.*"host"/],
    ["neither template nor image", { launchTemplate: undefined }, /launchTemplate \(or image\) is missing/],
    ["no subnets, no bucket", { subnets: undefined, release: {} }, /subnets, release.bucket is missing.*terraform/],
    ["template and image", { image: "ami-1" }, /image and launchTemplate of ec2 together/],
    [
      "a security group with a template",
      { securityGroups: ["sg-1"] },
      /"securityGroups" of ec2 with a launch template/,
    ],
    ["a profile with a template", { instanceProfile: "x" }, /"instanceProfile" of ec2 with a launch template/],
    ["a disk with a template", { diskSize: 8 }, /"diskSize" of ec2 with a launch template/],
    ["an unknown market", { spot: "maybe" }, /"maybe" as option "spot" of ec2: "prefer" or "only" or "never"/],
    ["an unknown architecture", { architecture: "ia32" }, /"ia32" as option "architecture"/],
    ["an unknown way of dialling", { dial: "both" }, /"both" as option "dial"/],
    ["no types", { instanceTypes: [] }, /"instanceTypes" of ec2: a list of names/],
    ["a type that is no name", { instanceTypes: [""] }, /"instanceTypes" of ec2/],
    ["one subnet as a text", { subnets: "subnet-1" }, /"subnet-1" as option "subnets"/],
    ["an empty region", { region: "" }, /"" as option "region"/],
    ["a number for a text", { release: { bucket: 7 } }, /7 as option "release.bucket"/],
    ["a prefix with a space", { release: { bucket: "b", prefix: "a b" } }, /"a b" as option "release.prefix"/],
    ["a prefix that ends in /", { release: { bucket: "b", prefix: "a/" } }, /"a\/" as option "release.prefix"/],
    [
      "an id that is none",
      { release: { bucket: "b", id: "latest" } },
      /"latest" as option "release.id".*tinderbox pack/,
    ],
    ["a port of none", { runnerPort: 0 }, /0 as option "runnerPort" of ec2: a whole number from 1/],
    ["a port too high", { parent: { port: 65_536 } }, /65536 as option "parent.port" of ec2: a port is up to 65535/],
    ["a window that is none", { reconnectWindow: "soon" }, /"soon" as option "reconnectWindow"/],
    ["a window without end", { reconnectWindow: Infinity }, /Infinity as option "reconnectWindow" of ec2.*"10m"/],
    ["a window too long", { reconnectWindow: 600_001, parentLostAfter: "1h" }, /600001 as option "reconnectWindow"/],
    ["less silence than a link may take to come back", { parentLostAfter: 9_999 }, /9999 as option "parentLostAfter"/],
    [
      "silence without end",
      { parentLostAfter: Infinity },
      /Infinity as option "parentLostAfter" of ec2.*"24h" the most/,
    ],
    ["a flag that is none", { keepForDebug: "yes" }, /"yes" as option "keepForDebug"/],
    ["another flag that is none", { allowMetadata: 1 }, /1 as option "allowMetadata"/],
    ["no launches", { launchesPerMinute: 0 }, /0 as option "launchesPerMinute".*from 1 or Infinity/],
    ["half a disk", { image: "ami-1", launchTemplate: undefined, diskSize: 0.5 }, /0.5 as option "diskSize"/],
    ["tags as a list", { tags: ["a"] }, /an array as option "tags"/],
    ["a tag of ours", { tags: { "Tinderbox:owner": "me" } }, /tag "Tinderbox:owner"/],
    ["a tag of theirs", { tags: { "aws:x": "me" } }, /tag "aws:x"/],
    ["a tag without a name", { tags: { "": "me" } }, /tag ""/],
    ["a tag with a long name", { tags: { ["x".repeat(129)]: "" } }, /up to 128 characters/],
    ["a tag with a long text", { tags: { x: "y".repeat(257) } }, /a text of up to 256/],
    ["a tag with a number", { tags: { x: 1 } }, /tag "x"/],
    [
      "more tags than an instance takes",
      { tags: Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`t${index}`, ""])) },
      /a record of up to 40/,
    ],
  ])("%s", (_, options, says) => {
    expect(() => resolve(options)).toThrow(TypeError);
    expect(() => resolve(options)).toThrow(says);
  });

  test.each<[name: string, options: ReapOptions, says: RegExp]>([
    ["to reap nowhere", {}, /Cannot reap: neither release.bucket nor terraform/],
    ["to reap with a slip", { terraform: ".", dryrun: true } as ReapOptions, /"dryrun" of reap: .*"dryRun"/],
    ["to reap with a slip in release", { release: { id: "x" } } as ReapOptions, /"id" of release of reap/],
    [
      "to reap below a prefix that is none",
      { release: { bucket: "b", prefix: "/" } },
      /"\/" as option "release.prefix"/,
    ],
  ])("%s", (_, options, says) => expect(() => resolveReapOptions(options)).toThrow(says));
});

test("what to reap has its defaults", () => {
  expect(resolveReapOptions({ release: { bucket: "b" } })).toEqual({
    location: { terraform: undefined, region: undefined, bucket: "b" },
    endpoint: undefined,
    release: { prefix: "tinderbox", endpoint: undefined },
    dryRun: false,
  });
});
