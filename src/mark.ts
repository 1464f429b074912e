/**
 * A mark in the environment of all that a process starts, by which its descendants are found wherever they have gone. Marks
 * add up: what is started by something started by us carries ours too.
 */
import { randomBytes } from "node:crypto";
import { type FoundProcess, environmentOf, listProcesses, readProcess, signalProcess } from "./proc.ts";

export const markVariable = "TINDERBOX_MARK";

/** Set for watchdogs: they end by themselves once they have cleaned up, and must not be ended before. */
export const watchdogVariable = "TINDERBOX_WATCHDOG";

/** Of this process: unlike that of any other, ever. */
export const ownMark = `${process.pid}.${randomBytes(12).toString("hex")}`;

let made = 0;
let since: number | undefined;

/**
 * For one program or runner: what finds it and its descendants, and the value of the variable that it is to have. A runner looks
 * after itself when we are gone, so its marks are not those that the watchdog of our programs looks for.
 */
export function newMark(
  environment: Readonly<Record<string, string | undefined>>,
  of: "program" | "runner",
): { readonly mark: string; readonly value: string } {
  const mark = `${ownMark}${of === "runner" ? "/runner" : ""}:${++made};`;
  return { mark, value: (environment[markVariable] ?? process.env[markVariable] ?? "") + mark };
}

/** Where to look: a mark in environments, and the session that a program leads. */
export interface Trace {
  readonly mark: string;
  /** The program itself. */
  readonly pid?: number | undefined;
  /** It has ended and has been read: its number may be given to somebody else. */
  readonly ended?: boolean;
}

/** Looks that find nobody while somebody ends under their eyes: what that one has started may not be on their list. */
const mostLooks = 10;

/** Those that had ended at the last look, with when they were started: what they started had no other parent since. */
let zombies: ReadonlyMap<number, number | undefined> = new Map();

/** Those that carry the mark or are of the program's session, and all that descend from these. */
export function findMarked(trace: Trace): number[] {
  let before: ReadonlySet<number> = new Set();
  const known = zombies;
  for (let look = 1; ; look++) {
    const { all, ended } = lookOnce(trace, known);
    if (all.length > 0 || look === mostLooks || [...ended].every((pid) => before.has(pid))) return all;
    before = ended;
  }
}

/** One reading of /proc; `ended` are those that were on the list and are no more, but for those `known` to have ended before. */
function lookOnce({ mark, pid: leader, ended: over = false }: Trace, known: typeof zombies) {
  const { running, ended: found } = listProcesses();
  zombies = found;
  const ended = new Set<number>();
  for (const [pid, started] of found) if (started === undefined || known.get(pid) !== started) ended.add(pid);
  const all = running.filter(({ pid }) => pid !== process.pid);
  // Nobody who is older than this process has a mark of it: most of a machine need not be read.
  since ??= readProcess(process.pid)?.started ?? 0;
  const carries = ({ pid, started }: FoundProcess): boolean => {
    if (started < since!) return false;
    const environment = environmentOf(pid);
    // One that is just ending has none any more.
    if (environment === "" || (environment === undefined && !readProcess(pid))) ended.add(pid);
    return environment?.includes(mark) ?? false;
  };
  // Numbers are not given again while a session of that number has members.
  const session = over && all.some(({ pid }) => pid === leader) ? undefined : leader;
  const ours = new Set(all.filter((each) => each.session === session || carries(each)).map(({ pid }) => pid));
  for (let before = -1; before < ours.size;) {
    before = ours.size;
    for (const { pid, parent, group, session: its } of all) {
      if (ours.has(parent) || ours.has(group) || ours.has(its)) ours.add(pid);
    }
  }
  const watchdog = (pid: number): boolean => environmentOf(pid)?.includes(`${watchdogVariable}=`) ?? false;
  return { all: [...ours].filter((pid) => !watchdog(pid)), ended };
}

/** Kills what is found until nothing is, `tries` times: what forks faster than that needs a limit. Returns what is left. */
export function killMarked(trace: Trace, tries = 20): number[] {
  let left = findMarked(trace);
  for (let round = 0; left.length > 0 && round < tries; round++) {
    for (const pid of left) signalProcess(pid, "SIGKILL");
    left = findMarked(trace);
  }
  return left;
}
