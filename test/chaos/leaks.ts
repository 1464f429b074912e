/** What may be left when all pools are closed: nothing. */
import { readdirSync, readlinkSync } from "node:fs";
import { activeResources, expectNoFolderLeft, expectNoProcessLeft, expectNoResourceLeft } from "../harness/leaks.ts";
import { until } from "../harness/until.ts";

export interface Before {
  readonly descriptors: number;
  readonly resources: ReadonlyMap<string, number>;
}

export function before(): Before {
  return { descriptors: descriptors().length, resources: activeResources() };
}

/** Open ones, by what they are. The one that reads the folder is there each time. */
export function descriptors(): string[] {
  return readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "closed meanwhile";
    }
  });
}

/** Each with a moment for what is just ending. */
export async function findLeaks({ descriptors: count, resources }: Before): Promise<string[]> {
  const checks = [
    () => expectNoProcessLeft(),
    () => expectNoFolderLeft(),
    () => expectNoResourceLeft(resources),
    () =>
      until("no descriptor left", () => descriptors().length <= count).catch((cause: unknown) => {
        const text = `${descriptors().length} descriptors are open, ${count} were: ${descriptors().join(" ")}`;
        throw new Error(text, { cause });
      }),
  ];
  const results = await Promise.allSettled(checks.map((check) => check()));
  return results.flatMap((result) => (result.status === "rejected" ? [(result.reason as Error).message] : []));
}
