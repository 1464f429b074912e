/** Every case takes two legs: it is captured on the runner of pool "first" and runs on the one of pool "second". */
import { flame, pool } from "tinderbox";
import { packClasses, packJob, packMaker, Job } from "./jobs.ts";
import { Box, Lid, makeLid, triple, loaded } from "./shapes.ts";
import * as shapes from "./shapes.ts";

type Legs = typeof import("./legs.ts");
type Parts = ReturnType<Legs["pack"]>;

const file = process.argv[2]!;
const legs = (): Promise<Legs> => import(/* @vite-ignore */ file) as Promise<Legs>;
const first = pool("first", { max: 1 });
const second = pool("second", { max: 1 });
const limit = 40;
const made = { count: 0 };

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
  get double(): number {
    return this.x * 2;
  }
}
class Budget {
  static made = 0;
  readonly left: number = limit;
  constructor() {
    Budget.made++;
  }
}
class Wide extends Box {
  static readonly top = limit + 1;
}
class Pair extends Point {}
const makePair = (): Pair => new Pair(1);
const key = `${limit}th`;
class Keyed {
  [key](): number {
    return 1;
  }
}
function helper(value: number): number {
  return value > 100 ? value : helper(value * 2);
}
function counted(): number {
  return ++made.count + limit;
}
function packSelf(left: number): Promise<Parts> | number {
  return left === 0 ? limit : legs().then(({ pack }) => pack(() => packSelf(left - 1)));
}

const cases: Record<string, () => Promise<unknown>> = {
  async variables() {
    const outside = { list: [1, 2], when: new Date(5) };
    return there(
      await flame(
        async () => {
          const { pack } = await legs();
          const inside = new Map([["a", outside]]);
          let [, last] = outside.list;
          last = last! + 1;
          const kept = last;
          return pack(() => [inside.get("a") === outside, outside.when.getTime(), kept, limit]);
        },
        { pool: first },
      ),
    );
  },
  async code() {
    return there(
      await flame(
        async () => {
          const { pack } = await legs();
          const local = (value: number): number => value + limit;
          const around = { twice: (value: number) => triple(value) + helper(value) };
          return pack(() => [helper(3), counted(), local(1), around.twice(2), triple(limit)]);
        },
        { pool: first },
      ),
    );
  },
  async imports() {
    const runners = await flame(() => loaded.pid, { pool: second });
    return there(
      await flame(
        async () => {
          const { pack } = await legs();
          return pack(async () => [
            loaded.pid === process.pid && loaded.pid === runners,
            new Box(1) instanceof shapes.Box,
            (await import("./shapes.ts")).Box === Box,
            import.meta.url,
          ]);
        },
        { pool: first },
      ),
    );
  },
  async instances() {
    const outside = new Point(4);
    return there(
      await flame(
        async () => {
          const { pack } = await legs();
          class Local extends Point {}
          const [point, local, budget, box, wide, lid] = [
            new Point(1),
            new Local(2),
            new Budget(),
            new Box(3),
            new Wide(5),
            makeLid(),
          ];
          return pack(async () => [
            [point.double, point instanceof Point, outside instanceof Point, local instanceof Local, local.double],
            [budget instanceof Budget, budget.left],
            [box instanceof Box, wide instanceof Wide, wide instanceof Box, Wide.top],
            lid.constructor === (await import("./shapes.ts")).Lid,
          ]);
        },
        { pool: first },
      ),
    );
  },
  async identity() {
    const parts = await flame(
      async () => {
        const { pack } = await legs();
        class Local {
          own = 1;
        }
        Object.assign(globalThis, { Local });
        return pack(() => ({ all: [new Point(1), new Local(), new Budget(), new Wide(2), new Box(3), makePair()] }));
      },
      { pool: first },
    );
    const answer = await flame(async () => (await legs()).run(parts, true), { pool: second });
    const [same, point] = await flame(
      async () => {
        const { all } = (await legs()).receive(answer) as { all: object[] };
        const { Local } = globalThis as unknown as { Local: new () => object };
        return [[Point, Local, Budget, Wide, Box, Pair].map((Class, index) => all[index] instanceof Class), all[0]];
      },
      { pool: first },
    );
    return [same, point instanceof Point];
  },
  async state() {
    const count = async (): Promise<number> => {
      const packed = flame(async () => (await legs()).pack(() => (void new Budget(), Budget.made)), { pool: first });
      return (await there(await packed)) as number;
    };
    return (await count()) - (await count());
  },
  async early() {
    return there(
      await flame(async () => (await legs()).pack(() => Object.getOwnPropertyNames(Keyed.prototype)), { pool: first }),
    );
  },
  async declared() {
    const parts = await flame(async () => (await legs()).pack(helper), { pool: first });
    return parts.modules.map(({ module }) => module.path);
  },
  async root() {
    return there(await flame(async () => (await legs()).pack(counted), { pool: first }));
  },
  async again() {
    let parts = (await flame(() => packSelf(2) as Promise<Parts>, { pool: first })) as Parts;
    const numbers: number[][] = [];
    for (let left = 1; left >= 0; left--) {
      numbers.push(parts.modules.map(({ number }) => number));
      const answer = await flame(async () => (await legs()).run(parts), { pool: second });
      if (left === 0) return [answer.value, numbers[1]!.filter((number) => numbers[0]!.includes(number)).length > 0];
      if (answer.error) throw new Error(answer.error.stack);
      parts = answer.value as Parts;
    }
    return undefined;
  },
  async deeper() {
    const parts = await flame(
      async () => {
        const { pack } = await legs();
        const point = new Point(6);
        return pack(async () => {
          const more = (await legs()).pack;
          const inner = point.double;
          return more(() => [inner, point instanceof Point, helper(inner), limit]);
        });
      },
      { pool: first },
    );
    const next = await flame(async () => (await legs()).run(parts), { pool: second });
    const { value } = await flame(async () => (await legs()).run(next.value as Parts), { pool: first });
    return value;
  },
  async stack() {
    const { error } = (await flame(
      async () => {
        const { pack } = await legs();
        const reason = "on purpose";
        return pack(() => {
          throw new RangeError(reason); // here
        });
      },
      { pool: first },
    ).then((parts) => flame(async () => (await legs()).run(parts), { pool: second }))) as { error: Error };
    return [error.name, error.message, error.stack!.split("\n")[1]];
  },
  async refusal() {
    return flame(
      async () => {
        const { pack } = await legs();
        let total = 1;
        try {
          return pack(() => (total = 2)); // refused
        } catch (error) {
          const { name, message, at } = error as { name: string; message: string; at: string };
          return [name, message, at, total];
        }
      },
      { pool: first },
    );
  },
  async entry() {
    const { error } = (await flame(
      async () => {
        const { pack } = await legs();
        const entry = new URL(import.meta.url).href;
        return pack(() => import(/* @vite-ignore */ entry));
      },
      { pool: first },
    ).then((parts) => flame(async () => (await legs()).run(parts), { pool: second }))) as { error: Error };
    return error.message;
  },
  async modules() {
    const parts = await flame(
      async () => {
        const { pack } = await legs();
        const point = new Point(1);
        class Local {}
        return pack(() => [helper(1), point, new Local(), Lid, import.meta.url]);
      },
      { pool: first },
    );
    return parts.modules.map(({ number, module }) => [number >= 2 ** 20, module.path, module.url]);
  },
  async native() {
    return there(await flame(() => packJob(file, "job"), { pool: first }));
  },
  async nativeImports() {
    const classes = [Lid, shapes.Hinge];
    return there(await flame(() => packClasses(file, classes), { pool: first }));
  },
  async nativeIdentity() {
    const parts = await flame(() => packMaker(file), { pool: first });
    const answer = await flame(async () => (await legs()).run(parts, true), { pool: second });
    return flame(async () => (await legs()).receive(answer) instanceof Job, { pool: first });
  },
};

async function there(parts: Parts): Promise<unknown> {
  const { value, error } = await flame(async () => (await legs()).run(parts), { pool: second });
  if (error) throw new Error(error.stack);
  return value;
}

for (const [name, run] of Object.entries(cases)) {
  if (process.argv.includes(name, 3)) continue;
  const outcome = await run().then(
    (value) => ({ value }),
    (error: Error) => ({ error: error.stack }),
  );
  console.log(`@case ${JSON.stringify({ name, ...outcome })}`);
}
