import { element, type XmlValue } from "../../../s3/xml.ts";
import type { Operation, Shape } from "./model.ts";

type Node = Exclude<XmlValue, undefined>;

function wrong(path: string, what: string): Error {
  return new Error(`Cannot answer: ${path} ${what}`);
}

function simpleOf(shape: Shape, value: unknown, path: string): Node {
  if (shape.kind === "timestamp") {
    if (!(value instanceof Date)) throw wrong(path, "is not a Date");
    return value.toISOString();
  }
  if (typeof value === shape.kind) return value as string | number | boolean;
  throw wrong(path, `is not a ${shape.kind}`);
}

function nodeOf(shape: Shape, value: unknown, path: string): Node {
  if (shape.kind === "list") {
    if (!Array.isArray(value)) throw wrong(path, "is not a list");
    return { [shape.itemName]: value.map((one, index) => nodeOf(shape.item, one, `${path}[${index}]`)) };
  }
  if (shape.kind !== "structure") return simpleOf(shape, value, path);
  if (typeof value !== "object" || value === null) throw wrong(path, "is not an object");
  const given = value as Readonly<Record<string, unknown>>;
  const node: Record<string, Node> = {};
  for (const name of Object.keys(given)) {
    if (!shape.members.some((member) => member.name === name)) throw wrong(`${path}.${name}`, "is not in the model");
  }
  for (const { name, xmlName, required, shape: shapeOfMember } of shape.members) {
    const one = given[name];
    if (one !== undefined) node[xmlName] = nodeOf(shapeOfMember(), one, `${path}.${name}`);
    else if (required) throw wrong(`${path}.${name}`, "is missing");
  }
  return node;
}

const namespace = (document: string, uri: string) => document.replace(/>\n<(\w+)>/, `>\n<$1 xmlns="${uri}">`);

/** The XML of an operation's result. Throws when the result is not what the SDK's model says. */
export function answerXml({ name, output }: Operation, result: unknown, requestId: string): string {
  const body = output.kind === "nothing" ? { return: true } : (nodeOf(output, result, name) as Record<string, Node>);
  return namespace(element(`${name}Response`, { requestId, ...body }), "http://ec2.amazonaws.com/doc/2016-11-15/");
}

/** As `answerXml`, of the Query protocol that STS speaks. */
export function plainAnswerXml(name: string, result: Readonly<Record<string, string>>, requestId: string): string {
  const body = { [`${name}Result`]: result, ResponseMetadata: { RequestId: requestId } };
  return namespace(element(`${name}Response`, body), "https://sts.amazonaws.com/doc/2011-06-15/");
}
