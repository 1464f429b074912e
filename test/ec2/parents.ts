/** Tests that run side by side on one bench: each has a pool of its own, and knows its machines by that. */
import { tmpdir } from "node:os";
import { afterAll } from "vitest";
import { removeFoldersOf } from "../../src/scratch.ts";
import type { CloudInstance } from "../harness/cloud/cloud.ts";
import type { RunningScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { type Ec2Bench, type ParentOptions, startParent } from "./bench.ts";

export interface Parents {
  /** Starts an application with that code, in which `own` is a pool of that name with one machine of one executor. */
  start(pool: string, code: string, options?: ParentOptions): RunningScript;
  /** As `start`, to its end: what it printed. It has to end well. */
  run(pool: string, code: string, options?: ParentOptions): Promise<string>;
  /** All instances that the pool ever had, in order. */
  instancesOf(pool: string): readonly CloudInstance[];
  /** Its first instance. */
  launched(pool: string): Promise<CloudInstance>;
  /** None of its machines is left. */
  gone(pool: string, within: number): Promise<void>;
}

export function useParents(bench: Ec2Bench): Parents {
  const scripts = new Set<RunningScript>();
  afterAll(async () => {
    for (const script of scripts) script.kill("SIGKILL");
    await Promise.allSettled([...scripts].map(({ finished }) => finished));
    // As the next parent on this machine would do it.
    for (const { pid } of scripts) removeFoldersOf(tmpdir(), pid);
  });
  const instancesOf = (pool: string): readonly CloudInstance[] =>
    bench.site.cloud.instances().filter(({ tags }) => tags["tinderbox:pool"] === pool);
  const start: Parents["start"] = (pool, code, { pool: options, ...rest } = {}) => {
    const head = `const own = pool("${pool}", { backend: ec2(backendOptions), max: 1, processes: 1, ...poolOptions });`;
    // Tests side by side cannot be told apart by what ends scripts with their test.
    const script = startParent(bench, `${head}\n${code}`, {
      ...rest,
      outlivesTest: true,
      pool: { bootTimeout: "60s", ...options },
    });
    scripts.add(script);
    return script;
  };
  return {
    start,
    async run(pool, code, options) {
      const { code: exit, stdout, stderr } = await start(pool, code, options).finished;
      if (exit !== 0 || stderr !== "")
        throw new Error(`The parent of ${pool} has ended with ${exit}:\n${stdout}\n${stderr}`);
      return stdout;
    },
    instancesOf,
    launched: (pool) =>
      until(`an instance of ${pool}`, () => instancesOf(pool)[0], { within: 60_000 }) as Promise<CloudInstance>,
    async gone(pool, within) {
      const left = () => instancesOf(pool).filter(({ state }) => state !== "terminated");
      await until(`the end of ${pool}`, () => left().length === 0, { within }).catch((cause: unknown) => {
        const words = left().map(({ id, state }) => `${id} ${state}\n${bench.site.cloud.machine(id)?.console() ?? ""}`);
        throw new Error(`Machines are left:\n${words.join("\n")}`, { cause });
      });
    },
  };
}
