/** Trees as children tell them: anybody may write a child, and what it says is to be shown, not trusted. */
import type { Branch } from "../ports/child.ts";

/** What a person could look at. */
const most = { depth: 24, branches: 5_000, text: 500 };
const states: ReadonlySet<unknown> = new Set(["starting", "running", "restarting", "stopping", "stopped"]);

/** The same tree with what is wrong in it set right, and what is too much left out. */
export function cleanBranches(value: unknown): Branch[] {
  let left = most.branches;
  const list = (given: unknown, depth: number): Branch[] => {
    if (!Array.isArray(given) || depth > most.depth) return [];
    return given.flatMap((item: unknown) => {
      if (typeof item !== "object" || item === null || left <= 0) return [];
      left--;
      return [branch(item as Partial<Record<keyof Branch, unknown>>, depth)];
    });
  };
  const branch = (given: Partial<Record<keyof Branch, unknown>>, depth: number): Branch => {
    const { id, type, status, restarts, since, detail, children } = given;
    return {
      id: textOf(id),
      type: type === "supervisor" ? type : "worker",
      status: states.has(status) ? (status as Branch["status"]) : "running",
      restarts: numberOf(restarts),
      since: numberOf(since),
      ...(typeof detail === "string" ? { detail: textOf(detail) } : {}),
      ...(Array.isArray(children) ? { children: list(children, depth + 1) } : {}),
    };
  };
  return list(value, 1);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.slice(0, most.text) : "";
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
