/** Whether instances of a class carry `#private` state, which nobody outside of the class can put back. */
import { parseFile } from "./language.ts";

const known = new WeakMap<object, boolean>();

export function hasPrivateState(Class: object): boolean {
  let answer = known.get(Class);
  if (answer === undefined) {
    const text = Function.prototype.toString.call(Class);
    // Most classes have no "#name" anywhere, also not in a string.
    answer = /#[\p{ID_Start}$_\\]/u.test(text) && declaresPrivate(text);
    known.set(Class, answer);
  }
  return answer;
}

function declaresPrivate(text: string): boolean {
  const parsed = parseFile(`(${text});`, "class.js");
  const body = (
    parsed?.program.body[0] as
      | { expression?: { type: string; body?: { body: unknown[] }; expression?: { body?: { body: unknown[] } } } }
      | undefined
  )?.expression;
  const members = body?.body?.body ?? body?.expression?.body?.body ?? [];
  return (members as { key?: { type?: string }; static?: boolean }[]).some(
    (member) => member.key?.type === "PrivateIdentifier" && !member.static,
  );
}
