/** The hot path of a program in C or Rust: a worker that stays up, with packets of bytes in and out, called from closures. */
import { availableParallelism } from "node:os";
import { binary, flame, pool } from "tinderbox";
import { type Longest, answer, question } from "../hot-path/ask.ts";
import { build } from "../hot-path/build.ts";

const program = build(process.argv[2]);
process.once("exit", program.remove);
const work = pool("work", { max: 1, concurrency: 4 });
const hotPath = binary("hot-path", {
  command: program.file,
  // Four bytes with the length, then that many bytes: what Erlang calls a port with { packet, 4 }.
  protocol: { packet: 4 },
  size: availableParallelism(),
  // It answers in order, so it may have questions waiting in its pipe.
  pipeline: 16,
});
console.log(`hot-path is a small program in ${program.language}; it was built just now`);

// The question and the answer are bytes; what they mean is between the two of us.
const first = await flame(async () => answer(await hotPath.call(question(1, 100_000))), { pool: work });
console.log(`from 1 to 100000, ${first.n} takes most steps: ${first.steps}`);

// A large question in pieces: the runner's workers share them.
const limit = 1_000_000;
const piece = 50_000;
const native = await flame(
  async () => {
    const began = performance.now();
    const answers = await Promise.all(
      Array.from({ length: limit / piece }, async (_, at) =>
        answer(await hotPath.call(question(at * piece + 1, (at + 1) * piece))),
      ),
    );
    return { best: answers.reduce(better), ms: performance.now() - began };
  },
  { pool: work },
);
const script = await flame(
  () => {
    const began = performance.now();
    const best: Longest = longest(1, limit);
    return { best, ms: performance.now() - began };
  },
  { pool: work },
);
console.log(`from 1 to ${limit}, ${native.best.n} takes most steps: ${native.best.steps}`);
console.log(`  ${program.language}, ${availableParallelism()} workers: ${native.ms.toFixed(0)} ms`);
console.log(`  JavaScript, one thread of the same runner: ${script.ms.toFixed(0)} ms`);
if (script.best.n !== native.best.n) throw new Error("they do not agree");

// Tiny questions show what a call itself costs.
const calls = 20_000;
const rate = await flame(
  async () => {
    const tiny = question(27, 27);
    const began = performance.now();
    for (let done = 0; done < calls; done += 100) {
      await Promise.all(Array.from({ length: 100 }, () => hotPath.call(tiny)));
    }
    return calls / ((performance.now() - began) / 1_000);
  },
  { pool: work },
);
console.log(`${calls} tiny questions: ${Math.round(rate).toLocaleString("en")} a second`);
await work.close();

function better(left: Longest, right: Longest): Longest {
  return right.steps > left.steps ? right : left;
}

/** What hot-path does, in our own language. */
function longest(from: number, to: number): Longest {
  let best = { n: from, steps: 0 };
  for (let n = from; n <= to; n++) {
    let steps = 0;
    for (let at = n; at !== 1; steps++) at = at % 2 === 0 ? at / 2 : 3 * at + 1;
    if (steps > best.steps) best = { n, steps };
  }
  return best;
}
