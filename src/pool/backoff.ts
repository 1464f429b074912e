/** 100 ms doubled at each failure up to 30 s, with jitter: a thousand parents must not come back in step. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  return Math.min(30_000, 100 * 2 ** Math.min(failures - 1, 10)) * (0.5 + random() / 2);
}
