/** What the runners wrote down by themselves, held against what the parent was told. */
import { readFileSync } from "node:fs";
import type { Book } from "./book.ts";

/** A call's name says how often it may begin, if that is more than once. */
export function nameOf(kind: string, number: number, mostStarts: number): string {
  return `${kind}#${number}${mostStarts > 1 ? `*${mostStarts}` : ""}`;
}

export function checkJournal(path: string, book: Book): void {
  const starts = new Map<string, number>();
  const pids = new Map<string, number>();
  const harmed = new Set<number>(book.harmedExecutors);
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [name, attempt, pid, harm] = line.split(" ");
    if (!name) continue;
    const start = `${name} ${attempt}`;
    if (pids.has(start)) book.violate(`call ${name} ran twice as attempt ${attempt}`);
    pids.set(start, Number(pid));
    starts.set(name, (starts.get(name) ?? 0) + 1);
    if (harm) harmed.add(Number(pid));
  }
  for (const [name, count] of starts) {
    const most = Number(name.split("*")[1] ?? 1);
    if (count > most) book.violate(`call ${name} ran ${count} times, and may run ${most} times`);
  }
  for (const name of book.unbegun)
    if (starts.has(name)) book.violate(`call ${name} ran, and its caller was told that it had not begun`);
  for (const { name, attempt, error } of book.suffered) {
    // A call may be lost on its way, before it could write.
    const pid = pids.get(`${name} ${attempt}`);
    if (pid !== undefined && !harmed.has(pid))
      book.violate(`call ${name} got ${error}, and nothing was done to its executor, process ${pid}`);
  }
}
