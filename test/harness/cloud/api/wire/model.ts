/**
 * Reads the model of EC2 that the real SDK carries: which members a request and an answer have, how they are called on
 * the wire, of which type they are and which must be there. So nothing of it is written down here a second time.
 *
 * The SDK's schemas are nested arrays: `[kind, namespace, name, traits, ...]` for named shapes, a number for simple
 * ones, a function for a shape that is named further down, and `[shape, traits]` where a member or item has traits.
 */

export type Shape =
  | { readonly kind: "string" | "number" | "boolean" | "timestamp" | "blob" | "nothing" }
  | { readonly kind: "list"; readonly item: Shape; readonly itemName: string }
  | { readonly kind: "structure"; readonly name: string; readonly members: readonly Member[] };

export interface Member {
  /** As the SDK's user writes it. */
  readonly name: string;
  /** Of requests. */
  readonly queryName: string;
  /** Of answers. */
  readonly xmlName: string;
  readonly required: boolean;
  /** Read when asked for, since shapes may contain themselves. */
  shape(): Shape;
}

export interface Operation {
  readonly name: string;
  readonly input: Shape;
  readonly output: Shape;
}

type Traits = Readonly<Record<string, unknown>>;

const known = new Map<unknown, Shape>();
const simple: Readonly<Record<number, Shape["kind"]>> = {
  0: "string",
  1: "number",
  2: "boolean",
  4: "timestamp",
  5: "timestamp",
  21: "blob",
};
const listFlag = 64;

/** Takes a reference to what it refers to, and collects the traits of the member on the way. */
function resolve(reference: unknown): { readonly schema: unknown; readonly traits: Traits } {
  if (typeof reference === "function") return resolve((reference as () => unknown)());
  if (Array.isArray(reference) && reference.length === 2) {
    const inner = resolve(reference[0]);
    const traits: unknown = reference[1];
    return { schema: inner.schema, traits: { ...inner.traits, ...(typeof traits === "object" ? traits : {}) } };
  }
  return { schema: reference, traits: {} };
}

function textOf(traits: Traits, name: string): string | undefined {
  const value = traits[name];
  return typeof value === "string" ? value : undefined;
}

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);

function memberOf(name: string, reference: unknown, required: boolean): Member {
  const { traits } = resolve(reference);
  const xmlName = textOf(traits, "xmlName");
  return {
    name,
    queryName: textOf(traits, "ec2QueryName") ?? capital(xmlName ?? name),
    xmlName: xmlName ?? name,
    required,
    shape: () => shapeOf(reference),
  };
}

function simpleShape(code: number): Shape {
  if (code >= listFlag && code < 2 * listFlag) {
    return { kind: "list", item: simpleShape(code - listFlag), itemName: "member" };
  }
  const kind = simple[code];
  if (kind === undefined) throw new Error(`Cannot read the SDK's model: the type ${code} is unknown`);
  return { kind } as Shape;
}

function namedShape(schema: readonly unknown[]): Shape {
  const [kind, , name, , third, fourth, requiredCount = 0] = schema;
  if (kind === 0) return simpleShape(third as number);
  if (kind === 1) {
    const itemName = textOf(resolve(third).traits, "xmlName") ?? "member";
    return { kind: "list", item: shapeOf(third), itemName };
  }
  if (kind === 3 || kind === 4) {
    const members = (third as readonly string[]).map((member, index) =>
      memberOf(member, (fourth as readonly unknown[])[index], index < (requiredCount as number)),
    );
    return { kind: "structure", name: String(name), members };
  }
  throw new Error(`Cannot read the SDK's model: ${String(name)} is of the unknown kind ${String(kind)}`);
}

export function shapeOf(reference: unknown): Shape {
  const { schema } = resolve(reference);
  const found = known.get(schema);
  if (found) return found;
  let shape: Shape;
  if (typeof schema === "number") shape = simpleShape(schema);
  else if (Array.isArray(schema)) shape = namedShape(schema);
  else if (schema === "unit") shape = { kind: "nothing" };
  else throw new Error(`Cannot read the SDK's model: ${String(schema)} is no schema`);
  known.set(schema, shape);
  return shape;
}

/** Reads an operation's schema, as `RunInstances$` of the SDK. */
export function operationOf(schema: unknown): Operation {
  const [, , name, , input, output] = schema as readonly unknown[];
  return { name: String(name), input: shapeOf(input), output: shapeOf(output) };
}
