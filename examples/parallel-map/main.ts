/** One function over many items: in order, as they come, with failures, and over a source without an end. */
import { flame, pool } from "tinderbox";

const cores = pool("cores", { max: 2 });

/** One line of the Mandelbrot set: the further from its border, the quicker. */
function line(y: number): string {
  let text = "";
  for (let x = -2.2; x < 0.8; x += 0.045) {
    let [re, im, n] = [0, 0, 0];
    while (n < 100_000 && re * re + im * im < 4) {
      [re, im] = [re * re - im * im + x, 2 * re * im + y];
      n++;
    }
    text += n === 100_000 ? "@" : " .:-=+*#%"[Math.min(8, Math.floor(Math.log2(n + 1)))];
  }
  return text;
}

// Lines are computed side by side on as many runners as the pool has, and come in their order.
const heights = Array.from({ length: 21 }, (_, n) => (n - 10) * 0.11);
for await (const text of flame.map(heights, line, { pool: cores })) console.log(text.trimEnd());

// As they come: nobody waits for the slow one. With `settle` a failure is a result like any other.
const waits = [300, 1, -1, 2];
const results = flame.map(
  waits,
  async (ms) => {
    if (ms < 0) throw new RangeError(`cannot wait for ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return `waited for ${ms} ms`;
  },
  { pool: cores, ordered: false, settle: true, concurrency: 2 },
);
for await (const result of results)
  console.log(`item ${result.index}:`, result.status === "fulfilled" ? result.value : String(result.reason));

/** Items are taken as they are needed, so a source may go on for ever; leaving the loop closes it. */
async function* candidates(): AsyncGenerator<number, void, undefined> {
  try {
    for (let n = 1_000_000_007; ; n += 2) yield n;
  } finally {
    console.log("no more candidates are wanted");
  }
}

function divisor(n: number): number | undefined {
  for (let d = 3; d * d <= n; d += 2) if (n % d === 0) return d;
  return undefined;
}

const primes: number[] = [];
for await (const [n, found] of flame.map(candidates(), (odd) => [odd, divisor(odd)] as const, { pool: cores })) {
  if (found === undefined) primes.push(n);
  if (primes.length === 3) break;
}
console.log(primes.join(", "));

// Ten thousand tiny items are not ten thousand messages.
const before = cores.stats().completed;
let sum = 0;
const items = Array.from({ length: 10_000 }, (_, n) => n);
for await (const square of flame.map(items, (n) => n * n, { pool: cores })) sum += square;
const calls = cores.stats().completed - before;
console.log(`the sum of 10000 squares is ${sum}, in fewer than 500 calls: ${calls < 500}`);
