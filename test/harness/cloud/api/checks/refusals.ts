import assert from "node:assert/strict";
import { type Check, listed, own, type OwnCheck, refused, run, runOne } from "./check.ts";
import { rawRequest } from "./raw.ts";
import {
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "./sdk.ts";

export const refusalChecks: readonly Check[] = [
  {
    name: "a request signed with a wrong secret or by nobody is refused",
    deviations: { moto: "does not check signatures" },
    async run(bench) {
      const send = (secretAccessKey: string, accessKeyId = bench.credentials.accessKeyId) =>
        bench
          .connect({ credentials: { ...bench.credentials, accessKeyId, secretAccessKey } })
          .send(new DescribeInstancesCommand({}));
      await refused(send("wrong"), "AuthFailure", 401);
      await refused(send(bench.credentials.secretAccessKey, "AKIANOBODY"), "AuthFailure", 401);
      const response = await fetch(bench.endpoint, {
        method: "POST",
        body: "Action=DescribeInstances&Version=2016-11-15",
      });
      assert.equal(response.status, 403);
      assert.match(await response.text(), /MissingAuthenticationToken/);
    },
  },
  {
    name: "a request for another region is refused",
    deviations: { moto: "does not check signatures" },
    async run(bench) {
      const client = bench.connect({ region: "eu-west-3" });
      await refused(client.send(new DescribeInstancesCommand({})), "AuthFailure", 401);
    },
  },
  {
    name: "a body that was changed on its way is refused",
    deviations: { moto: "does not check signatures" },
    async run(bench) {
      const client = bench.connect({});
      client.middlewareStack.add(
        (next) => (args) => {
          const request = args.request as { body: string };
          request.body = request.body.replace("DescribeSubnets", "DescribeRegions");
          return next(args);
        },
        // After the signature.
        { step: "finalizeRequest", priority: "low" },
      );
      await refused(client.send(new DescribeSubnetsCommand({})), "AuthFailure", 401);
    },
  },
  {
    name: "a dry run that would be done says so with 412, and does nothing",
    async run(bench) {
      await refused(run(bench, { DryRun: true }), "DryRunOperation", 412);
      assert.deepEqual(await listed(bench), []);
      const { InstanceId } = await runOne(bench);
      const dry = new TerminateInstancesCommand({ InstanceIds: [InstanceId], DryRun: true });
      await refused(bench.client.send(dry), "DryRunOperation", 412);
    },
  },
  {
    name: "an unknown parameter is refused by its name",
    deviations: { moto: "ignores it" },
    async run(bench) {
      for (const [name, action] of [
        ["Nonsense", "DescribeInstances"],
        ["Filter.1.Nmae", "DescribeInstances"],
        ["Filter.x", "DescribeInstances"],
        ["InstanceId", "DescribeInstances"],
        ["MaxResults.1", "DescribeInstances"],
      ] as const) {
        const { status, code, text } = await bench.raw({ Action: action, [name]: "x" });
        assert.deepEqual([name, status, code], [name, 400, "UnknownParameter"]);
        assert.ok(text.includes(name), text);
      }
    },
  },
  {
    name: "a missing parameter is refused by its name",
    deviations: { moto: "launches without it" },
    async run(bench) {
      const missing = async (form: Record<string, string>) => {
        const { status, code, text } = await bench.raw(form);
        assert.deepEqual([status, code], [400, "MissingParameter"], text);
        return /parameter (\S+?)</.exec(text)?.[1];
      };
      assert.equal(await missing({ Action: "RunInstances", MinCount: "1", ImageId: bench.imageId }), "MaxCount");
      assert.equal(await missing({ Action: "RunInstances", MinCount: "1", MaxCount: "1" }), "ImageId");
      assert.equal(await missing({ Action: "TerminateInstances" }), "InstanceId");
      assert.equal(await missing({ Action: "GetConsoleOutput" }), "InstanceId");
    },
  },
  {
    name: "a parameter of the wrong type is refused",
    deviations: { moto: "answers 500" },
    async run(bench) {
      const launch = { Action: "RunInstances", ImageId: bench.imageId, MinCount: "1", MaxCount: "1" };
      for (const wrong of [{ MaxCount: "one" }, { EbsOptimized: "maybe" }, { MinCount: "" }]) {
        const { status, code } = await bench.raw({ ...launch, ...wrong });
        assert.deepEqual([status, code], [400, "InvalidParameterValue"]);
      }
    },
  },
  {
    name: "an unknown action or version, and none, are refused",
    deviations: { moto: "answers 500 or serves it" },
    async run(bench) {
      const refusal = async (form: Record<string, string>) => {
        const { code, status } = await bench.raw(form);
        return [code, status];
      };
      assert.deepEqual(await refusal({ Action: "DescribeNonsense" }), ["InvalidAction", 400]);
      assert.deepEqual(await refusal({}), ["MissingAction", 400]);
      const old = { Action: "DescribeInstances", Version: "2006-06-26" };
      assert.deepEqual(await refusal(old), ["NoSuchVersion", 400]);
    },
  },
  {
    name: "everybody may ask who they are",
    async run(bench) {
      const { status, text } = await rawRequest(bench, { Action: "GetCallerIdentity", Version: "2011-06-15" }, "sts");
      assert.equal(status, 200, text);
      assert.match(text, /<Account>\d{12}<\/Account>/);
      assert.match(text, /<Arn>arn:aws:\S+<\/Arn>/);
    },
  },
];

export const ownRefusalChecks: readonly OwnCheck[] = [
  {
    name: "everybody may do what their policy says and nothing else",
    options: {},
    async run(bench) {
      const credentials = bench.cloud.credentials("reader", { actions: ["ec2:Describe*"] });
      const reader = { ...bench, client: bench.connect({ credentials }) };
      assert.deepEqual(await listed(reader), []);
      const message = await refused(run(reader), "UnauthorizedOperation", 403);
      assert.match(message, /user\/reader .*ec2:RunInstances/);
      await refused(run(reader, { DryRun: true }), "UnauthorizedOperation", 403);
      assert.deepEqual(bench.cloud.instances(), []);
    },
  },
  {
    name: "tags and instance profiles of a launch need rights of their own",
    options: {},
    async run(bench) {
      const as = (...actions: string[]) => {
        const credentials = bench.cloud.credentials("launcher", { actions });
        return { ...bench, client: bench.connect({ credentials }) };
      };
      const bare = as("ec2:RunInstances");
      assert.match(await refused(run(bare), "UnauthorizedOperation", 403), /ec2:CreateTags/);
      const TagSpecifications = [{ ResourceType: "instance" as const, Tags: own(bench) }];
      const profile = { TagSpecifications, IamInstanceProfile: { Name: "runner" } };
      const tagging = as("ec2:RunInstances", "ec2:CreateTags");
      assert.match(await refused(run(tagging, profile), "UnauthorizedOperation", 403), /iam:PassRole/);
      await run(as("ec2:RunInstances", "ec2:CreateTags", "iam:PassRole"), profile);
    },
  },
  {
    name: "temporary credentials need their token and end in time",
    options: {},
    async run(bench) {
      const credentials = bench.cloud.credentials("session", { session: true });
      const describe = (keys: typeof credentials) =>
        bench.connect({ credentials: keys }).send(new DescribeInstancesCommand({}));
      await describe(credentials);
      const { sessionToken: _token, ...without } = credentials;
      await refused(describe(without), "AuthFailure", 401);
      await refused(describe({ ...credentials, sessionToken: "other" }), "AuthFailure", 401);
      const { expiration: _time, ...late } = bench.cloud.credentials("late", { session: true, expiresInMs: -1 });
      await refused(describe(late), "RequestExpired", 400);
    },
  },
  {
    name: "a request from another time is refused, until the client has set its clock",
    options: { clockOffsetMs: 3_600_000 },
    async run(bench) {
      await refused(bench.client.send(new DescribeInstancesCommand({})), "RequestExpired", 400);
      const patient = bench.connect({ maxAttempts: 2 });
      await patient.send(new DescribeInstancesCommand({}));
    },
  },
  {
    name: "what was asked is recorded with who asked and what was answered",
    options: {},
    async run(bench) {
      const credentials = bench.cloud.credentials("alice", { actions: ["ec2:RunInstances"] });
      const client = bench.connect({ credentials });
      const input = { ImageId: bench.imageId, InstanceType: "c5.large" as const, MinCount: 1, MaxCount: 1 };
      await client.send(new RunInstancesCommand({ ...input, ClientToken: "t" }));
      await refused(client.send(new DescribeInstancesCommand({})), "UnauthorizedOperation");
      const [launch, describe] = bench.cloud.calls;
      const { atMs = 0, form = {}, ...rest } = launch ?? {};
      assert.deepEqual(rest, {
        action: "RunInstances",
        principal: "alice",
        parameters: { ...input, ClientToken: "t" },
        status: 200,
        error: undefined,
      });
      assert.ok(Math.abs(atMs - Date.now()) < 60_000);
      assert.equal(form["MaxCount"], "1");
      assert.deepEqual([describe?.status, describe?.error], [403, "UnauthorizedOperation"]);
      assert.equal(bench.cloud.callsOf("RunInstances").length, 1);
    },
  },
];
