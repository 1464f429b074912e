import { expect, test } from "vitest";
import { redactor } from "../../src/pool/redact.ts";

test.each([
  ["every occurrence", { A: "secret" }, "a secret is a secret", "a [secret A] is a [secret A]"],
  ["lines of a long one", { A: "first line\nsecond line" }, "got second line", "got [secret A]"],
  ["the longer of two that begin alike", { A: "abcd", B: "abcdef" }, "abcdef abcd", "[secret B] [secret A]"],
  ["no short ones, which are in any text", { A: "abc", B: "" }, "abc and more", "abc and more"],
  ["what looks like a pattern is taken literally", { A: "a.c$&" }, "abc$& a.c$&", "abc$& [secret A]"],
])("%s", (_, secrets, text, shown) => {
  expect(redactor(secrets)(text)).toBe(shown);
});
