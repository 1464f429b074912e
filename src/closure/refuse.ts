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
  this: () => ({
    refused: "it uses `this` of the function around it",
    fix: "copy what it needs into a const before it",
  }),
  super: () => ({
    refused: "it uses `super` of the method around it",
    fix: "call the method outside, or pass its result",
  }),
  arguments: () => ({
    refused: "it uses `arguments` of the function around it",
    fix: "name the parameters, or use a rest parameter",
  }),
  "new.target": () => ({
    refused: "it uses `new.target` of the function around it",
    fix: "copy it into a const before the closure",
  }),
  private: (name) => ({
    refused: `it uses the private name ${name} of a class around it`,
    fix: "read the value into a const before the closure",
  }),
  assignment: (name) => ({
    refused: `it assigns to the captured variable \`${name}\`, and the change would stay on the runner`,
    fix: "return the value, or pass it to context.progress",
  }),
  eval: () => ({
    refused: "it calls eval, whose variables cannot be seen",
    fix: "call (0, eval)(text), which sees globals only",
  }),
  enum: (name) => ({
    refused: `\`${name}\` is an enum, which does not simply disappear with the types`,
    fix: "use a const object, or import the enum from another module",
  }),
  namespace: (name) => ({ refused: `\`${name}\` is a namespace with values`, fix: "make it a module" }),
  decorator: () => ({
    refused: "it has decorators, which are not JavaScript yet",
    fix: "import the class from a module that is built",
  }),
  jsx: () => ({
    refused: "it has JSX, which is not JavaScript",
    fix: "import the component from a module that is built",
  }),
  "parameter-property": () => ({
    refused: "it has a parameter property",
    fix: "declare the field and assign it in the constructor",
  }),
  with: () => ({ refused: "it uses `with`, whose variables cannot be seen", fix: "name the object's properties" }),
  "import-assignment": (name) => ({
    refused: `\`${name}\` is made by import = require()`,
    fix: "use import or require",
  }),
  member: () => ({
    refused: "it is a member of a class, which does not travel alone",
    fix: "wrap it: () => object.method()",
  }),
};

/** An error for a function or instance; `explain` puts it into the words of the closure. */
export function refuse(
  value: object,
  path: readonly PathStep[],
  unit?: Unit,
  issue?: Issue,
  because?: Reason,
): CaptureError {
  const { refused, fix } = because ?? (issue ? reasons[issue.code](issue.name) : describe(value));
  const where = unit && issue ? frame(unit, issue.at, issue.name.length || 1, "here") : undefined;
  const message = `Cannot send ${formatPath(path)}: ${refused}; ${fix}`;
  return new CaptureError(where ? `${message}\n${where.text}` : message, { path, ...(where ? { at: where.at } : {}) });
}

function describe(value: object): Reason {
  if (typeof value === "function") {
    const name = (value as { name: string }).name;
    if (name.startsWith("bound "))
      return { refused: `${name} is a bound function`, fix: "use an arrow function that calls it" };
    if (isNative(value))
      return {
        refused: `${name || "it"} is a native function`,
        fix: "call it inside the closure by its global name, or wrap it in an arrow function",
      };
    if (isClass(value))
      return {
        refused: `class ${name} is declared where it cannot be seen`,
        fix: "import it in the file of the closure, or registerClass it",
      };
    return {
      refused: "it is a function that comes from elsewhere",
      fix: "use live(fn) to run it here, import it or declare it in the file of the closure to run it there, or mark it with closure(fn) where it is written",
    };
  }
  const Class = classOf(value) as { name?: string } | undefined;
  if (isStream(value))
    return {
      refused: `it is a ${Class?.name ?? "stream"}, which belongs to this process`,
      fix: "read it first and send what it holds, or open it inside the closure",
    };
  const name = Class?.name ? `an instance of ${Class.name}` : "an object with a prototype of its own";
  return {
    refused: `it is ${name}, which a runner does not know`,
    fix: "create it inside the closure, import its class in the file of the closure, or registerClass it",
  };
}

function isStream(value: object): boolean {
  const { pipe, getReader, getWriter } = value as { pipe?: unknown; getReader?: unknown; getWriter?: unknown };
  return [pipe, getReader, getWriter].some((method) => typeof method === "function");
}

/** An error of a walk that began at a member of a group, as one that came there by `path`. */
export function moved(error: unknown, path: readonly PathStep[]): unknown {
  if (!(error instanceof CaptureError) || !error.path) return error;
  // The walk went through the list of members.
  const whole = [...path, ...error.path.slice(2)];
  const rest = error.message.slice(`Cannot send ${formatPath(error.path)}`.length);
  return new CaptureError(`Cannot send ${formatPath(whole)}${rest}`, { path: whole, at: error.at, cause: error.cause });
}

/**
 * Says an error of the walk in the closure's terms: the path starts at the captured variable, and the line where the
 * closure uses it is shown.
 */
export function explain(error: unknown, root?: Unit): unknown {
  if (!(error instanceof CaptureError) || !error.path) return error;
  const walked = error.path;
  const path = walked.slice(1);
  const subject = path.length === 0 ? "the closure" : `\`${formatPath(path)}\``;
  const rest = error.message.slice(`Cannot send ${formatPath(walked)}`.length);
  const free = root?.info?.free.find(({ name }) => name === path[0]);
  const where =
    error.at === undefined && root && free
      ? frame(root, free.at, free.name.length, noteOf(root, free.declaredAt))
      : undefined;
  return new CaptureError(`Cannot send ${subject} to a runner${rest}${where ? `\n${where.text}` : ""}`, {
    path,
    at: where?.at ?? error.at,
    cause: error.cause,
  });
}

function noteOf({ file }: Unit, declaredAt: number): string {
  const { line, column } = position(file.source, declaredAt);
  return `captured here (declared at ${line}:${column})`;
}

function frame({ file }: Unit, offset: number, length: number, note: string): { text: string; at: string } {
  const { line, column } = position(file.source, offset);
  const at = `${file.url}:${line}:${column}`;
  return { at, text: `  ${at}\n${codeFrame(file.source, offset, length, note)}` };
}
