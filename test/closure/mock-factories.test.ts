import { expect, test } from "vitest";
import { analyse } from "../../src/closure/analyse.ts";
import { transform } from "../../src/closure/transform.ts";

const head = `import { vi } from "vitest";\nimport { flame } from "tinderbox";\n`;

function stamped(body: string): string {
  const code = head + body;
  const options = { register: "import.meta.url", embed: "null", key: "k" };
  return transform(code, "/app/a.test.ts", { ...options, analysis: analyse(code, "/app/a.test.ts") })?.code ?? code;
}

test.each([
  ['vi.mock("./a.ts", () => ({ price: () => 1, tax() { return 2; } }));', "a factory"],
  ['vi.mock(import("./a.ts"), async (original) => ({ ...(await original()), b: function () {} }));', "one that asks"],
  ["const { price } = vi.hoisted(() => ({ price: (count) => count }));", "what is hoisted"],
  ["const one = vi.hoisted(function () { return class A {}; });", "a function"],
  ["vi.mock<typeof Other>(\n  './a.ts',\n  () => ({ a: 1 }),\n);", "over several lines"],
  ["vitest.mock('./a.ts', () => 1);", "by the other name"],
])("nothing is stamped that vitest moves above the imports: %s", (body) => {
  expect(stamped(body)).toContain(body);
});

test.each([
  ["flame(() => 1);", "() => 1"],
  ["vi.mock('./a.ts');\nflame(() => 1);", "() => 1"],
  ["vi.mocked(price, () => 1);", "() => 1"],
  ["vi.mock('./a.ts', () => 2); flame(() => 1);", "() => 1"],
  ["mock('./a.ts', () => 1);", "() => 1"],
])("all else is: %s", (body, text) => {
  expect(stamped(body)).toMatch(new RegExp(`\\$tb0\\(${text.replace(/[()]/g, "\\$&")}, "k"`));
});
