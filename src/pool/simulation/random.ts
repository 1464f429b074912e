/** Random numbers that are the same for the same seed. */

/** The next number from 0 up to, but not, 1. */
export type Random = () => number;

/** The generator sfc32 of PractRand, its state filled from the seed. */
export function seeded(seed: number): Random {
  let [a, b, c, counter] = [seed | 0, Math.floor(seed / 2 ** 32) | 0, 0x9e37_79b9, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  // Seeds that differ in one bit have nothing in common any more after this many steps.
  for (let step = 0; step < 16; step++) next();
  return () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;
}

/** Waiting time until the next of events that know nothing of each other. */
export function exponential(mean: number, random: Random): number {
  return -mean * Math.log(1 - random());
}

/** Standard normal, by Box and Muller. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
