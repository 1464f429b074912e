/** A pool that is closed while its calls run and wait: each is told, and it does not take longer than it may. */
import type { Book } from "./book.ts";
import type { Callers } from "./callers.ts";
import { until } from "../harness/until.ts";
import { declare } from "./pools.ts";

export async function closeUnderFire(book: Book, callers: Callers): Promise<void> {
  const closing = declare("closing", { max: 2, concurrency: 3, drainTimeout: "1s" });
  book.closing.add(closing.name);
  const calls = callers.doomed(closing, 40);
  await until("calls on runners", () => closing.stats().slots.busy > 0, { within: 60_000 });
  await closing.close();
  const late = callers.doomed(closing, 3);
  await Promise.all([calls, late]);
  const { completed, failed, runners, queued } = closing.stats();
  const taken = book.taken.get(closing.name) ?? 0;
  if (completed + failed !== taken)
    book.violate(`pool ${closing.name} has ended ${completed + failed} of ${taken} calls`);
  if (queued + runners.booting + runners.ready + runners.draining > 0)
    book.violate(`pool ${closing.name} is closed and holds ${queued} calls, ${JSON.stringify(runners)} runners`);
}
