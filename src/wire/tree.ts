/** The tree of what a runner keeps up, as it tells its parent. */
import { ProtocolError } from "../errors.ts";
import type { Branch } from "../ports/child.ts";

const most = { depth: 32, branches: 10_000, text: 2_000 };
const types: ReadonlySet<unknown> = new Set(["worker", "supervisor"]);
const states: ReadonlySet<unknown> = new Set(["starting", "running", "restarting", "stopping", "stopped"]);

/** Throws `ProtocolError` for anything that is no tree, or more than anybody could look at. */
export function readBranches(text: string): readonly Branch[] {
  let left = most.branches;
  const refuse = (what: string): never => {
    throw new ProtocolError(`Cannot read tree: ${what}`);
  };
  const list = (value: unknown, depth: number): Branch[] => {
    if (!Array.isArray(value)) return refuse("a list is wanted");
    if (depth > most.depth) return refuse(`it is deeper than ${most.depth}`);
    return value.map((item) => branch(item as Record<string, unknown> | null, depth));
  };
  const string = (value: unknown): string => {
    if (typeof value !== "string") return refuse("a text is wanted");
    return value.slice(0, most.text);
  };
  const branch = (value: Record<string, unknown> | null, depth: number): Branch => {
    if (--left < 0) refuse(`it has more than ${most.branches} branches`);
    if (typeof value !== "object" || value === null) return refuse("an object is wanted");
    const { id, type, status, restarts, since, detail, children } = value;
    if (!types.has(type) || !states.has(status)) refuse("a type or status is unknown");
    if (typeof restarts !== "number" || typeof since !== "number") refuse("a number is wanted");
    return {
      id: string(id),
      type: type as Branch["type"],
      status: status as Branch["status"],
      restarts: restarts as number,
      since: since as number,
      ...(detail === undefined ? {} : { detail: string(detail) }),
      ...(children === undefined ? {} : { children: list(children, depth + 1) }),
    };
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse("it is not JSON");
  }
  return list(value, 1);
}
