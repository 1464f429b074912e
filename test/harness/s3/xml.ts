export type XmlValue =
  string | number | boolean | undefined | readonly XmlValue[] | { readonly [name: string]: XmlValue };

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#13;",
};

function render(name: string, value: XmlValue): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.map((one: XmlValue) => render(name, one)).join("");
  if (typeof value === "object") {
    return `<${name}>${Object.entries(value)
      .map(([inner, one]) => render(inner, one as XmlValue))
      .join("")}</${name}>`;
  }
  return `<${name}>${String(value).replace(/[&<>"\r]/g, (found) => escapes[found] ?? found)}</${name}>`;
}

/** A document with one root element. Arrays repeat their element, `undefined` leaves it out. */
export function element(name: string, value: XmlValue, namespace = false): string {
  const text = render(name, value);
  const root = namespace
    ? text.replace(`<${name}>`, `<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
    : text;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${root}`;
}

/** An element of a request body: its children in order, or its text. */
export interface XmlNode {
  readonly name: string;
  readonly children: readonly XmlNode[];
  readonly text: string;
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return entities[name ?? ""] ?? whole;
  });
}

/** Reads the small XML that S3 clients send: elements and text, attributes dropped. Undefined when it is not that. */
export function parseXml(text: string): XmlNode | undefined {
  type Open = { name: string; children: XmlNode[]; text: string };
  const root: Open = { name: "", children: [], text: "" };
  const open: Open[] = [root];
  for (const [, closing, name, empty, plain] of text.matchAll(
    /<\?[^>]*\?>|<(\/?)([\w:.-]+)(?:\s[^>]*?)?(\/?)>|([^<]+)/g,
  )) {
    const top = open.at(-1);
    if (!top) return undefined;
    if (plain !== undefined) top.text += unescape(plain);
    else if (name === undefined) continue;
    else if (closing) {
      if (open.length < 2 || top.name !== name) return undefined;
      open.pop();
    } else {
      const node: Open = { name, children: [], text: "" };
      top.children.push(node);
      if (!empty) open.push(node);
    }
  }
  return open.length === 1 && root.children.length === 1 ? root.children[0] : undefined;
}

/** The text of a child, or undefined when there is none. */
export function textOf(node: XmlNode, name: string): string | undefined {
  return node.children.find((child) => child.name === name)?.text;
}
