/** The same in CommonJS, shorter. */
const { flame, pool } = require("tinderbox");
const { Box, makeBox } = require("./shapes.cjs");
const shapes = require("./shapes.cjs");

const file = process.argv[2];
const legs = () => import(file);
const first = pool("first", { max: 1 });
const second = pool("second", { max: 1 });
const limit = 40;

class Point {
  constructor(x) {
    this.x = x;
  }
}
class Budget {
  left = limit;
}
function helper(value) {
  return value > 100 ? value : helper(value * 2);
}

async function travels() {
  const parts = await flame(
    async () => {
      const { pack } = await legs();
      class Local {}
      const [point, budget, local, box] = [new Point(1), new Budget(), new Local(), makeBox()];
      return pack(() => [
        [point instanceof Point, budget instanceof Budget, local instanceof Local],
        box.constructor === require("./shapes.cjs").Box,
        shapes.triple(limit) + helper(3),
        [__filename, require.resolve("./shapes.cjs")],
        new Error("here").stack.split("\n")[1],
      ]);
    },
    { pool: first },
  );
  return (await flame(async () => (await legs()).run(parts), { pool: second })).value;
}

async function comesBack() {
  const parts = await flame(async () => (await legs()).pack(() => [new Point(2), new Box(1), new Budget()]), {
    pool: first,
  });
  const answer = await flame(async () => (await legs()).run(parts, true), { pool: second });
  return flame(
    async () => {
      const [point, box, budget] = (await legs()).receive(answer);
      return [point instanceof Point, box instanceof Box, budget instanceof Budget];
    },
    { pool: first },
  );
}

void (async () => {
  for (const run of [travels, comesBack]) {
    const outcome = await run().then(
      (value) => ({ value }),
      (error) => ({ error: error.stack }),
    );
    console.log(`@case ${JSON.stringify({ name: run.name, ...outcome })}`);
  }
})();
