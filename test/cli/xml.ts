/** The elements of an XML text, in order; throws where it is not well-formed. Knows what our own SVG uses. */

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Its own text, entities resolved. */
  text: string;
}

const tag = /<(\/?)([A-Za-z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/y;

export function elementsOf(xml: string): Element[] {
  const all: Element[] = [];
  const open: Element[] = [];
  for (let at = 0; at < xml.length;) {
    if (xml[at] !== "<") {
      const end = xml.indexOf("<", at) < 0 ? xml.length : xml.indexOf("<", at);
      const text = resolved(xml.slice(at, end));
      const inside = open.at(-1);
      if (inside) inside.text += text;
      else if (text.trim() !== "") throw new Error(`Cannot read XML: "${text}" outside of its element`);
      at = end;
      continue;
    }
    tag.lastIndex = at;
    const [whole, closing, name, attributes, empty] = tag.exec(xml) ?? [];
    if (whole === undefined) throw new Error(`Cannot read XML: no tag at ${xml.slice(at, at + 60)}`);
    at += whole.length;
    if (closing) {
      if (open.pop()?.name !== name) throw new Error(`Cannot read XML: </${name}> closes another element`);
      continue;
    }
    const pairs = [...attributes!.matchAll(/([\w:-]+)="([^"]*)"/g)].map(
      ([, key, value]) => [key!, resolved(value!)] as const,
    );
    const element = { name: name!, attributes: Object.fromEntries(pairs), text: "" };
    if (pairs.length !== Object.keys(element.attributes).length)
      throw new Error(`Cannot read XML: ${whole} repeats one`);
    if (open.length === 0 && all.length > 0) throw new Error("Cannot read XML: it has two roots");
    all.push(element);
    if (!empty) open.push(element);
  }
  if (open.length > 0) throw new Error(`Cannot read XML: <${open.at(-1)!.name}> is not closed`);
  return all;
}

function resolved(text: string): string {
  if (/&(?!#\d+;)/.test(text)) throw new Error(`Cannot read XML: a bare & in ${text}`);
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}
