import { Ec2Error } from "./errors.ts";
import type { Shape } from "./model.ts";

/** What a form may lack or have too much of; both are refused unless a mutant says otherwise. */
export interface FormRules {
  readonly unknownParameters: "refused" | "ignored";
  readonly missingParameters: "refused" | "ignored";
}

const strict: FormRules = { unknownParameters: "refused", missingParameters: "refused" };

/** A form as a tree: `Filter.1.Value.2=x` is at `Filter`, `1`, `Value`, `2`. */
interface Node {
  text?: string;
  readonly children: Map<string, Node>;
}

export type Value = string | number | boolean | Date | readonly Value[] | { readonly [name: string]: Value };

/** Names and values of a form body, in its order. Throws MalformedQueryString for what is no form. */
export function parseForm(body: string): ReadonlyMap<string, string> {
  const form = new Map<string, string>();
  for (const part of body.split("&")) {
    if (part === "") continue;
    const mark = part.indexOf("=");
    try {
      const decode = (text: string) => decodeURIComponent(text.replaceAll("+", " "));
      form.set(decode(mark < 0 ? part : part.slice(0, mark)), mark < 0 ? "" : decode(part.slice(mark + 1)));
    } catch {
      throw new Ec2Error("MalformedQueryString", "The query string contains a syntax error.");
    }
  }
  return form;
}

function treeOf(form: ReadonlyMap<string, string>): Node {
  const root: Node = { children: new Map() };
  for (const [name, text] of form) {
    let node = root;
    for (const step of name.split(".")) {
      const next = node.children.get(step) ?? { children: new Map() };
      node.children.set(step, next);
      node = next;
    }
    node.text = text;
  }
  return root;
}

const unknown = (path: string) => new Ec2Error("UnknownParameter", `The parameter ${path} is not recognized`);

function leafOf(node: Node, path: string): string {
  const [inner] = node.children.keys();
  if (inner !== undefined) throw unknown(`${path}.${inner}`);
  return node.text ?? "";
}

function simpleOf(shape: Shape, text: string, path: string): Value {
  const wrong = (kind: string) =>
    new Ec2Error("InvalidParameterValue", `Invalid value '${text}' for ${path}. It must be ${kind}.`);
  switch (shape.kind) {
    case "number":
      if (!/^-?\d+(\.\d+)?$/.test(text)) throw wrong("a number");
      return Number(text);
    case "boolean":
      if (!/^(true|false)$/i.test(text)) throw wrong("true or false");
      return text.toLowerCase() === "true";
    case "timestamp":
      if (Number.isNaN(Date.parse(text))) throw wrong("a date");
      return new Date(text);
    default:
      return text;
  }
}

function valueOf(shape: Shape, node: Node, path: string, rules: FormRules): Value {
  if (shape.kind === "list") return listOf(shape, node, path, rules);
  if (shape.kind === "structure") return structureOf(shape, node, path, rules);
  return simpleOf(shape, leafOf(node, path), path);
}

function listOf(shape: Extract<Shape, { kind: "list" }>, node: Node, path: string, rules: FormRules): Value {
  if (node.text !== undefined) throw unknown(path);
  return [...node.children]
    .map(([key, child]) => {
      if (!/^[1-9]\d{0,5}$/.test(key)) throw unknown(`${path}.${key}`);
      return { at: Number(key), child };
    })
    .toSorted((left, right) => left.at - right.at)
    .map(({ at, child }) => valueOf(shape.item, child, `${path}.${at}`, rules));
}

function structureOf(shape: Extract<Shape, { kind: "structure" }>, node: Node, path: string, rules: FormRules): Value {
  const at = (name: string) => (path === "" ? name : `${path}.${name}`);
  if (node.text !== undefined) throw unknown(path);
  const names = new Set(shape.members.map(({ queryName }) => queryName));
  for (const key of node.children.keys()) {
    if (!names.has(key) && rules.unknownParameters === "refused") throw unknown(at(key));
  }
  const found: Record<string, Value> = {};
  for (const member of shape.members) {
    const child = node.children.get(member.queryName);
    if (child) found[member.name] = valueOf(member.shape(), child, at(member.queryName), rules);
    else if (member.required && rules.missingParameters === "refused") {
      throw new Ec2Error("MissingParameter", `The request must contain the parameter ${at(member.queryName)}`);
    }
  }
  return found;
}

/** A request's parameters as its user wrote them. Throws UnknownParameter, MissingParameter or InvalidParameterValue. */
export function decodeForm(
  shape: Shape,
  form: ReadonlyMap<string, string>,
  rules: FormRules = strict,
): Readonly<Record<string, Value>> {
  const rest = new Map([...form].filter(([name]) => name !== "Action" && name !== "Version"));
  return valueOf(shape, treeOf(rest), "", rules) as Readonly<Record<string, Value>>;
}
