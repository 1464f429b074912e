import type * as SDK from "@aws-sdk/client-ec2";
import { parseXml, type XmlNode } from "../../../s3/xml.ts";
import { operationOf, type Shape } from "../wire/model.ts";
import * as sdk from "./sdk.ts";

/**
 * Holds an answer against the SDK's own model of it: every element is known there, everything required is there, and
 * the SDK's parser has made something of every element. It reads XML, so it knows nothing of how our endpoint writes it.
 */

/** What was seen of a server's answers. */
export class Notes {
  /** The members that each operation's answers had, all together: `DescribeInstances.Reservations[].OwnerId`. */
  readonly paths = new Set<string>();
  /** What is not as the model says. */
  readonly problems = new Set<string>();
}

const simple: Readonly<Record<string, RegExp>> = {
  number: /^-?\d+(\.\d+)?$/,
  boolean: /^(true|false)$/,
  timestamp: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
};

class Validation {
  readonly #notes: Notes;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  expect(holds: boolean, problem: string): boolean {
    if (!holds) this.#notes.problems.add(problem);
    return holds;
  }

  /** Walks an element and what the SDK made of it. */
  walk(shape: Shape, node: XmlNode, parsed: unknown, path: string): void {
    this.#notes.paths.add(path);
    if (shape.kind === "list") this.#list(shape, node, parsed, path);
    else if (shape.kind === "structure") this.#structure(shape, node, parsed, path);
    else {
      this.expect(node.children.length === 0, `${path} has elements inside`);
      const form = simple[shape.kind];
      if (form) this.expect(form.test(node.text), `${path} is no ${shape.kind}: ${node.text}`);
      if (shape.kind === "string") this.expect(parsed === node.text, `the SDK reads ${path} differently`);
    }
  }

  #list(shape: Extract<Shape, { kind: "list" }>, node: XmlNode, parsed: unknown, path: string): void {
    if (!this.expect(Array.isArray(parsed), `${path} is not a list for the SDK`)) return;
    const items = parsed as readonly unknown[];
    this.expect(items.length === node.children.length, `the SDK sees another number of items of ${path}`);
    for (const [index, child] of node.children.entries()) {
      this.expect(child.name === shape.itemName, `an item of ${path} is called ${child.name}`);
      this.walk(shape.item, child, items[index], `${path}[]`);
    }
  }

  #structure(shape: Extract<Shape, { kind: "structure" }>, node: XmlNode, parsed: unknown, path: string): void {
    const found = (parsed ?? {}) as Readonly<Record<string, unknown>>;
    const names = node.children.map(({ name }) => name);
    for (const child of node.children) {
      const member = shape.members.find(({ xmlName }) => xmlName === child.name);
      if (!this.expect(member !== undefined, `${path} has the unknown element ${child.name}`) || !member) continue;
      const once = names.indexOf(child.name) === names.lastIndexOf(child.name);
      this.expect(once, `${path} has the element ${child.name} more than once`);
      this.expect(found[member.name] !== undefined, `the SDK does not see ${path}.${member.name}`);
      this.walk(member.shape(), child, found[member.name], `${path}.${member.name}`);
    }
    for (const { name, required, xmlName } of shape.members) {
      this.expect(!required || names.includes(xmlName), `${path}.${name} is required and missing`);
    }
  }
}

/** Notes the members of an answer, and where it is not as the model says. */
export function validateAnswer(operation: string, xml: string, output: SDK.ServiceOutputTypes, notes: Notes): void {
  const validation = new Validation(notes);
  const root = parseXml(xml);
  if (!validation.expect(root?.name === `${operation}Response`, `${operation} answers ${root?.name}`) || !root) return;
  const namespaced = /^(<\?xml[^>]*>)?\s*<\w+ xmlns="http:\/\/ec2\.amazonaws\.com\/doc\/2016-11-15\/?"/.test(xml);
  validation.expect(namespaced, `${operation} has another namespace`);
  const requestId = root.children.find(({ name }) => name === "requestId");
  validation.expect(/^[\da-f-]{36}$/.test(requestId?.text ?? ""), `${operation} has no request id`);
  const members = root.children.filter((one) => one !== requestId);
  const shape = operationOf((sdk as unknown as Readonly<Record<string, unknown>>)[`${operation}$`]).output;
  if (shape.kind !== "nothing") return validation.walk(shape, { ...root, children: members }, output, operation);
  const isTrue = members.length === 1 && members[0]?.name === "return" && members[0].text === "true";
  validation.expect(isTrue, `${operation} does not return true`);
}

/** Notes where a refusal is not of EC2's form. */
export function validateRefusal(xml: string, notes: Notes): void {
  const names = (node: XmlNode | undefined) => node?.children.map(({ name }) => name).join() ?? "";
  const root = parseXml(xml);
  const [errors] = root?.children ?? [];
  const [error] = errors?.children ?? [];
  const form = [root?.name, names(root), names(errors), names(error)].join(" ");
  new Validation(notes).expect(form === "Response Errors,RequestID Error Code,Message", `a refusal is of form ${form}`);
}
