import { expect, test } from "vitest";
import { cleanBranches } from "../../src/supervisor/branches.ts";

test("a tree that is right stays as it is", () => {
  const branch = { id: "a", type: "supervisor", status: "stopped", restarts: 2, since: 5, detail: "x" } as const;
  const tree = [{ ...branch, children: [{ ...branch, id: "b", children: [] }] }];
  expect(cleanBranches(tree)).toEqual(tree);
});

test("what is wrong is set right, what is no branch is left out", () => {
  expect(cleanBranches("no list")).toEqual([]);
  expect(
    cleanBranches([null, 5, { id: 7, type: "x", status: 1, restarts: NaN, since: "s", detail: 1n, children: {} }]),
  ).toEqual([{ id: "", type: "worker", status: "running", restarts: 0, since: 0 }]);
});

test("depth, number and length have an end, also of a tree that holds itself", () => {
  const round: { id: string; children: unknown[] } = { id: "x".repeat(9_999), children: [] };
  round.children.push(round, round);
  const cleaned = JSON.stringify(cleanBranches([round]));
  expect(cleaned.match(/"id"/g)!.length).toBeLessThanOrEqual(5_000);
  expect(cleaned).not.toContain("x".repeat(501));
});
