/** Whatever is asked of it, and however its children behave, a supervisor does what the model does, in that order. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SupervisorError } from "../../src/errors.ts";
import { supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { Lab, type Program, abnormal, turn } from "./lab.ts";
import { Model, type ModelOptions, type ModelSpec, type Outcome } from "./model.ts";

const ids = ["a", "b", "c", "d"];
const id = fc.constantFrom(...ids);
const outcome = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Outcome>("ok") },
  { weight: 3, arbitrary: fc.constant<Outcome>("fail") },
  { weight: 1, arbitrary: fc.constant<Outcome>("ignore") },
);
const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("exit" as const),
      id,
      reason: fc.constantFrom("normal" as const, "shutdown" as const, "abnormal" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("start", "terminate", "restart", "delete"), id }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 500, 1_001) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

const setup = fc
  .record({
    strategy: fc.constantFrom("one_for_one" as const, "one_for_all" as const, "rest_for_one" as const),
    autoShutdown: fc.constantFrom("never" as const, "any_significant" as const, "all_significant" as const),
    maxRestarts: fc.constantFrom(0, 1, 3, 1_000),
    restarts: fc.array(fc.constantFrom("permanent" as const, "transient" as const, "temporary" as const), {
      minLength: ids.length,
      maxLength: ids.length,
    }),
    significant: fc.array(fc.boolean(), { minLength: ids.length, maxLength: ids.length }),
    first: fc.nat({ max: ids.length }),
    outcomes: fc.array(outcome, { maxLength: 60, size: "max" }),
  })
  .map(({ restarts, significant, ...rest }) => ({
    ...rest,
    specs: ids.map((name, index): ModelSpec => ({
      id: name,
      restart: restarts[index]!,
      significant: significant[index]! && restarts[index] !== "permanent" && rest.autoShutdown !== "never",
    })),
  }));
type Setup = typeof setup extends fc.Arbitrary<infer T> ? T : never;

/** The same choices for both, each in its own order of asking: which has to be the same. */
function chooser(outcomes: readonly Outcome[]): () => Outcome {
  let next = 0;
  return () => outcomes[next++] ?? "ok";
}

async function check({ specs, first, outcomes, ...rest }: Setup, actions: readonly Action[], together: boolean) {
  const lab = new Lab();
  const options: ModelOptions = { ...rest, withinMs: 1_000 };
  const choose = chooser(outcomes);
  const booting = { now: true };
  const programs = new Map(
    specs.map((spec): [string, Program] => {
      const program = lab.program(spec.id, spec);
      const { start } = program.spec;
      const chosen = {
        ...program.spec,
        start: (context: Parameters<typeof start>[0]) => {
          program.plans = [booting.now ? "ok" : choose()];
          return start(context);
        },
      };
      return [spec.id, Object.assign(program, { spec: chosen })];
    }),
  );
  const modelChoice = chooser(outcomes);
  const model = new Model(options, () => (booting.now ? "ok" : modelChoice()));

  const children = specs.slice(0, first).map(({ id: name }) => programs.get(name)!.spec);
  const { withinMs, ...given } = options;
  const supervisor = await supervisorSpec({ ...given, within: withinMs, children }, lab.host).start();
  for (const spec of specs.slice(0, first)) model.start(spec);
  booting.now = false;
  let end: string | undefined;
  supervisor.exited.then(
    () => (end = "shutdown"),
    () => (end = "gave up"),
  );

  const answer = (promise: Promise<unknown>) =>
    promise.then(
      () => "done",
      (error: unknown) => (SupervisorError.is(error) ? (error as SupervisorError).reason : "failed"),
    );
  const answers: Promise<string>[] = [];
  const wanted: string[] = [];
  const compare = async () => {
    await turn();
    expect(lab.log).toEqual(model.log);
    expect(await Promise.all(answers)).toEqual(wanted);
    expect(end).toBe(model.end);
    expect(supervisor.children().map(({ id: name, status }) => `${name} ${status}`)).toEqual(
      model.statuses === "" ? [] : model.statuses.split(", "),
    );
    const active = model.entries.filter(({ status }) => status === "running").length;
    expect(supervisor.count()).toMatchObject({ specs: model.entries.length, active });
    const restarting = model.entries.filter(({ status }) => status === "restarting").length;
    expect(lab.clock.pending({ held: true })).toBe(restarting);
  };

  await compare();
  for (const found of actions) {
    if (found.do === "exit") {
      const program = programs.get(found.id)!;
      await turn();
      // Who has no life cannot end. Of those that end at the same time the model knows no order, so each has its turn.
      if (program.alive) {
        program.run.exit(found.reason === "abnormal" ? abnormal : found.reason);
        model.exit(found.id, found.reason);
        await turn();
      }
    } else if (found.do === "pass") {
      await turn();
      lab.clock.advance(0);
      await turn();
      model.pass();
    } else if (found.do === "wait") {
      await turn();
      // A try that is due would be made on the way, at its own time.
      if (lab.clock.pending({ held: true }) > 0) continue;
      lab.clock.advance(found.ms);
      model.now += found.ms;
    } else {
      const operations: Record<string, [() => Promise<unknown>, () => string]> = {
        start: [
          () => supervisor.startChild(programs.get(found.id)!.spec),
          () => model.start(specs.find(({ id: name }) => name === found.id)!),
        ],
        terminate: [() => supervisor.terminateChild(found.id), () => model.terminate(found.id)],
        restart: [() => supervisor.restartChild(found.id), () => model.restart(found.id)],
        delete: [() => supervisor.deleteChild(found.id), () => model.delete(found.id)],
      };
      const [ask, say] = operations[found.do]!;
      answers.push(answer(ask()));
      wanted.push(say());
    }
    if (!together) await compare();
  }
  await compare();
  const stopped = supervisor.stop();
  model.stop();
  await stopped;
  await compare();
  expect([...programs.values()].filter(({ alive }) => alive)).toEqual([]);
}

describe("a supervisor does what the model does", () => {
  test("after each step", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(setup, fc.array(action, { maxLength: 40, size: "max" }), (options, actions) =>
        check(options, actions, false),
      ),
      { numRuns: 400 },
    );
  });

  test("also when much is asked of it at once", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(setup, fc.array(action, { maxLength: 40, size: "max" }), (options, actions) =>
        check(options, actions, true),
      ),
      { numRuns: 400 },
    );
  });
});
