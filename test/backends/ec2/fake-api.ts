/** EC2 as a test says it is: what is not said gives nothing. Real requests are in the tests that start a bench. */
import { setImmediate } from "node:timers/promises";
import type { Ec2Api, InstanceFacts, InstanceState } from "../../../src/backends/ec2/api.ts";
import { ec2Error } from "../../../src/backends/ec2/failures.ts";
import type { FakeClock } from "../../harness/fake-clock.ts";

export interface FakeApi extends Ec2Api {
  /** Names of requests with their first argument. */
  readonly log: readonly (readonly [name: string, argument: unknown])[];
  of(name: string): unknown[];
}

export function fakeApi(answers: Partial<Ec2Api> = {}): FakeApi {
  const log: [string, unknown][] = [];
  const said =
    <T>(name: keyof Ec2Api, fallback: T) =>
    async (...given: unknown[]): Promise<T> => {
      log.push([name, given[0]]);
      const answer = answers[name] as ((...given: unknown[]) => Promise<T>) | undefined;
      return answer ? answer(...given) : fallback;
    };
  return {
    log,
    of: (name) => log.filter(([one]) => one === name).map(([, argument]) => argument),
    template: answers.template,
    stats: { requests: 0, again: 0 },
    makeTemplate: said("makeTemplate", { id: "lt-1", version: "1", whole: true, account: undefined }),
    removeTemplate: said("removeTemplate", undefined),
    removeTemplatesOf: said("removeTemplatesOf", undefined),
    launch: said("launch", { instances: [], refusals: [] }),
    describe: said("describe", []),
    tagged: said("tagged", []),
    terminate: said("terminate", new Map<string, InstanceState>()),
    console: said("console", ""),
    subnets: said("subnets", []),
    types: said("types", []),
    region: said("region", "us-east-1"),
    close: () => void log.push(["close", undefined]),
  };
}

export const facts = (id: string, state: InstanceState, more: Partial<InstanceFacts> = {}): InstanceFacts => ({
  id,
  state,
  launchedAt: 0,
  address: undefined,
  reason: undefined,
  tags: {},
  ...more,
});

export const refusal = (reason: string, message = "not for you"): Error => ec2Error("do it", reason, message);

/** Everybody does what can be done without time. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await setImmediate();
}

/** Lets time pass, and what it leads to happen, timer by timer. */
export async function pass(clock: FakeClock, ms: number): Promise<void> {
  const end = clock.now() + ms;
  await settle();
  while (clock.nextAt <= end) {
    clock.advance(clock.nextAt - clock.now());
    await settle();
  }
  clock.advance(end - clock.now());
}
