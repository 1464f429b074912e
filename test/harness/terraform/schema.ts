/** The form of `schema.json`, and what terraform's plugin protocol calls the same things. */

export type AttributeType =
  | "string"
  | "number"
  | "bool"
  | readonly ["list" | "set" | "map", AttributeType]
  | readonly ["object", Readonly<Record<string, AttributeType>>];

export interface Block {
  /** "required string" or, where the type has parts, ["optional", ["list", "string"]]. */
  readonly attributes: Readonly<Record<string, string | readonly [mode: string, type: AttributeType]>>;
  readonly blocks?: Readonly<Record<string, NestedBlock>>;
}

export interface NestedBlock {
  readonly nesting: "single" | "list" | "set";
  readonly min?: number;
  readonly max?: number;
  readonly block: Block;
}

export interface Schemas {
  readonly origin: string;
  readonly license: string;
  readonly resources: Readonly<Record<string, Block>>;
  readonly dataSources: Readonly<Record<string, Block>>;
}

const nestings = { single: 1, list: 2, set: 3 };

/** A block as the messages of the protocol hold it. */
export function message(block: Block): object {
  const attributes = Object.entries(block.attributes).map(([name, value]) => {
    const [mode, type] = typeof value === "string" ? split(value) : value;
    const modes = mode.split(" ");
    return {
      name,
      type: Buffer.from(JSON.stringify(type)),
      required: modes.includes("required"),
      optional: modes.includes("optional"),
      computed: modes.includes("computed"),
    };
  });
  const blocks = Object.entries(block.blocks ?? {}).map(([name, { nesting, min = 0, max = 0, block: nested }]) => ({
    type_name: name,
    nesting: nestings[nesting],
    min_items: min,
    max_items: max,
    block: message(nested),
  }));
  return { attributes, block_types: blocks };
}

function split(value: string): [mode: string, type: string] {
  const at = value.lastIndexOf(" ");
  return [value.slice(0, at), value.slice(at + 1)];
}
