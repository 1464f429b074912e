import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type Check, listed, refused, run, runOne } from "./check.ts";
import { terminate, untilState } from "./life.ts";

export const tokenChecks: readonly Check[] = [
  {
    name: "a launch that is sent again with its token gives the same instances and no second one",
    deviations: { moto: "launches a second one" },
    async run(bench) {
      const ClientToken = randomUUID();
      const first = await runOne(bench, { ClientToken });
      assert.equal(first.ClientToken, ClientToken);
      const again = await Promise.all([runOne(bench, { ClientToken }), runOne(bench, { ClientToken })]);
      assert.deepEqual(
        again.map(({ InstanceId }) => InstanceId),
        [first.InstanceId, first.InstanceId],
      );
      assert.equal((await listed(bench)).length, 1);
    },
  },
  {
    name: "a token gives the same instances also when they are gone",
    deviations: { moto: "launches a second one" },
    async run(bench) {
      const ClientToken = randomUUID();
      const { InstanceId } = await runOne(bench, { ClientToken });
      await terminate(bench, InstanceId);
      await untilState(bench, InstanceId, "terminated");
      const again = await runOne(bench, { ClientToken });
      assert.deepEqual([again.InstanceId, again.State?.Name], [InstanceId, "terminated"]);
    },
  },
  {
    name: "a token with other parameters is refused, and launches nothing",
    deviations: { moto: "launches a second one" },
    async run(bench) {
      const ClientToken = randomUUID();
      await runOne(bench, { ClientToken });
      await refused(run(bench, { ClientToken, InstanceType: "m5.large" }), "IdempotentParameterMismatch", 400);
      await refused(run(bench, { ClientToken, MinCount: 1, MaxCount: 2 }), "IdempotentParameterMismatch", 400);
      assert.equal((await listed(bench)).length, 1);
    },
  },
  {
    name: "another token is another launch",
    async run(bench) {
      const ids = [
        await runOne(bench, { ClientToken: "a" + randomUUID() }),
        await runOne(bench, { ClientToken: "b" + randomUUID() }),
      ];
      assert.notEqual(ids[0]?.InstanceId, ids[1]?.InstanceId);
    },
  },
  {
    name: "a token of more than 64 characters is refused",
    deviations: { moto: "accepts it" },
    async run(bench) {
      await runOne(bench, { ClientToken: randomUUID().padEnd(64, "x") });
      await refused(run(bench, { ClientToken: "x".repeat(65) }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "a token whose launch was refused is not used up",
    deviations: { moto: "launches from an unknown image" },
    async run(bench) {
      const ClientToken = randomUUID();
      await refused(run(bench, { ClientToken, ImageId: "ami-00000000000000000" }), "InvalidAMIID.NotFound");
      await runOne(bench, { ClientToken });
    },
  },
];
