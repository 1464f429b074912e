/** The error of a closure that cannot travel: the path to the culprit, the line it stands on, and what to do. */
import { CaptureError } from "../errors.ts";
import { formatPath } from "../value/path.ts";
import type { PathStep } from "../value/port.ts";
import type { Issue } from "./analysis.ts";
import { classOf, isNative } from "./classes.ts";
import { codeFrame, position } from "./code-frame.ts";
import { isClass } from "./inspect.ts";
import type { Unit } from "./units.ts";

interface Reason {
  readonly refused: string;
  readonly fix: string;
}

const reasons: Record<Issue["code"], (name: string) => Reason> = {
  this: () => ({ refused: "it uses `this` of the function around it", fix: "copy what it needs into a const before it" }),
  super: () => ({ refused: "it uses `super` of the method around it", fix: "call the method outside, or pass its result" }),
  arguments: () => ({ refused: "it uses `arguments` of the function around it", fix: "name the parameters, or use a rest parameter" }),
  "new.target": () => ({ refused: "it uses `new.target` of the function around it", fix: "copy it into a const before the closure" }),
  private: (name) => ({ refused: `it uses the private name ${name} of a class around it`, fix: "read the value into a const before the closure" }),
  assignment: (name) => ({ refused: `it assigns to the captured variable \`${name}\`, and the change would stay on the runner`, fix: "return the value, or call back with live()" }),
  eval: () => ({ refused: "it calls eval, whose variables cannot be seen", fix: "call (0, eval)(text), which sees globals only" }),
  enum: (name) => ({ refused: `\`${name}\` is an enum, which does not simply disappear with the types`, fix: "use a const object, or import the enum from another module" }),
  namespace: (name) => ({ refused: `\`${name}\` is a namespace with values`, fix: "make it a module" }),
  decorator: () => ({ refused: "it has decorators, which are not JavaScript yet", fix: "import the class from a module that is built" }),
  jsx: () => ({ refused: "it has JSX, which is not JavaScript", fix: "import the component from a module that is built" }),
  "parameter-property": () => ({ refused: "it has a parameter property", fix: "declare the field and assign it in the constructor" }),
  with: () => ({ refused: "it uses `with`, whose variables cannot be seen", fix: "name the object's properties" }),
  "import-assignment": (name) => ({ refused: `\`${name}\` is made by import = require()`, fix: "use import or require" }),
  member: () => ({ refused: "it is a member of a class, which does not travel alone", fix: "wrap it: () => object.method()" }),
};

/** An error for a function or instance; `explain` adds where it stands. */
export function refuse(value: object, path: readonly PathStep[], unit?: Unit, issue?: Issue, because?: Reason): CaptureError {
  const reason = because ?? (issue ? reasons[issue.code](issue.name) : describe(value));
  const where = unit && issue ? frame(unit, issue.at, issue.name.length || 1) : undefined;
  const subject = path.length <= 1 ? "the closure" : `\`${formatPath(path)}\``;
  return new CaptureError(`Cannot send ${subject} to a runner: ${reason.refused}; ${reason.fix}${where ? `\n${where.text}` : ""}`, {
    path: path.slice(1).map(String),
    ...(where ? { at: where.at } : {}),
  });
}

function describe(value: object): Reason {
  if (typeof value === "function") {
    const name = (value as { name: string }).name;
    if (name.startsWith("bound ")) return { refused: `${name} is a bound function`, fix: "use an arrow function that calls it" };
    if (isNative(value)) return { refused: `${name || "it"} is a native function`, fix: "call it inside the closure by its global name, or wrap it in an arrow function" };
    if (isClass(value)) return { refused: `class ${name} is declared where it cannot be seen`, fix: "import it in the file of the closure, or registerClass it" };
    return { refused: "it is a function that comes from elsewhere", fix: "live(fn) to run it here, closure(fn) where it is written or an import to run it there" };
  }
  const Class = classOf(value) as { name?: string } | undefined;
  const name = Class?.name ? `an instance of ${Class.name}` : "an object with a prototype of its own";
  return { refused: `it is ${name}, which a runner does not know`, fix: "create it inside the closure, import its class in the file of the closure, or registerClass it" };
}

/** Adds to an error of the value codec the place in the closure where the captured variable is used. */
export function explain(error: unknown, root: Unit): unknown {
  if (!(error instanceof CaptureError) || error.at !== undefined) return error;
  const name = error.path?.[0];
  const free = root.info?.free.find((candidate) => candidate.name === name);
  if (!free) return error;
  const { text, at } = frame(root, free.at, free.name.length, free.declaredAt);
  return Object.assign(error, { message: `${error.message}\n${text}`, at });
}

function frame(unit: Unit, offset: number, length: number, declaredAt?: number): { text: string; at: string } {
  const { source, url } = unit.file;
  const { line, column } = position(source, offset);
  const declared = declaredAt === undefined ? undefined : position(source, declaredAt);
  const at = `${url}:${line}:${column}`;
  const note = declared ? `captured here (declared at ${declared.line}:${declared.column})` : "here";
  return { at, text: `  ${at}\n${codeFrame(source, offset, length, note)}` };
}
