/**
 * Derives `schema.json`: which arguments the resources and data sources have that `terraform/` uses, so that terraform can check them
 * where the AWS provider itself cannot be had. Run by hand, when `terraform/` comes to use another kind of resource (add it to `kinds`)
 * or is to be checked against a newer provider:
 *
 *     npm pack @cdktf/provider-aws && tar xzf cdktf-provider-aws-*.tgz
 *     node test/harness/terraform/derive.ts package > test/harness/terraform/schema.json && npx prettier --write test/harness/terraform/schema.json
 *
 * That package is generated from the provider's own schema. Its classes say of each argument the name, the type, whether it is required,
 * and of each block how it nests and whether there may be several. What they do not say: which optional arguments the provider computes
 * when they are left out (`alsoComputed`, by hand), and what the provider checks beyond types.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AttributeType, Block, Schemas } from "./schema.ts";

const resources = [
  ...["vpc", "subnet", "internet_gateway", "route_table", "route", "route_table_association", "eip", "nat_gateway"],
  ...["vpc_endpoint", "security_group", "vpc_security_group_ingress_rule", "vpc_security_group_egress_rule"],
  ...["default_security_group", "iam_role", "iam_role_policy", "iam_policy", "iam_instance_profile"],
  ...["iam_role_policy_attachment", "iam_service_linked_role", "launch_template", "s3_bucket", "s3_bucket_versioning"],
  ...["s3_bucket_lifecycle_configuration", "s3_bucket_server_side_encryption_configuration", "s3_bucket_policy"],
  ...["s3_bucket_public_access_block", "s3_bucket_ownership_controls", "imagebuilder_component", "imagebuilder_image"],
  ...["imagebuilder_image_recipe", "imagebuilder_infrastructure_configuration"],
];
const dataSources = [
  ...["caller_identity", "partition", "region", "availability_zones", "ami", "subnet", "ec2_managed_prefix_list"],
];
/** Optional, but with a value also where none is given. */
const alsoComputed = new Set(["id", "arn", "region", "tags_all", "default_version", "vpc_id", "cidr_block", "name"]);

const types: Record<string, AttributeType> = {
  string: "string",
  number: "number",
  boolean: "bool",
  stringList: ["list", "string"],
  numberList: ["list", "number"],
  stringMap: ["map", "string"],
  booleanMap: ["map", "bool"],
};

class Sources {
  readonly #js: string;
  readonly #declarations: string;

  constructor(folder: string) {
    this.#js = readFileSync(join(folder, "index.js"), "utf8");
    this.#declarations = readFileSync(join(folder, "index.d.ts"), "utf8");
  }

  get provider(): string {
    return /providerVersion: '([^']+)'/.exec(this.#js)?.[1] ?? "unknown";
  }

  /** The class of the resource: not always named as the resource is. */
  get root(): string {
    return /^class (\w+) extends cdktf\.Terraform(?:Resource|DataSource) /m.exec(this.#js)?.[1] ?? "";
  }

  /** The block that a class stands for: the resource itself, or one nested in it. */
  block(name: string, root: boolean): Block {
    const attributes: Record<string, { type: AttributeType; mode: string }> = {};
    const blocks: Record<string, NonNullable<Block["blocks"]>[string]> = {};
    const required = this.#required(root ? `${name}Config` : name);
    const cls = this.#class(root ? name : `${name}OutputReference`) ?? this.#class(name) ?? "";
    for (const [, argument = "", value = "", isBlock, kind = "", storage = ""] of this.#synthesizer(
      name,
      root,
    ).matchAll(
      /\n\s+(\w+): \{\s*value: ([^\n]+),\n\s*isBlock: (true|false),\n\s*type: "(\w+)",\n\s*storageClassType: "(\w+)"/g,
    )) {
      const mode = required.has(argument) ? "required" : alsoComputed.has(argument) ? "optional computed" : "optional";
      if (isBlock === "false" || value.includes("hashMapper")) {
        const type = types[storage];
        if (!type) throw new Error(`Cannot derive ${name}.${argument}: its type ${storage} is not known here`);
        attributes[argument] = { type: kind === "set" ? (["set", type[1]] as AttributeType) : type, mode };
        continue;
      }
      const nested = storage.replace(/List$/, "");
      // Of a list of blocks one is wanted at most where the class has a reference to the one, not a list.
      const single = new RegExp(`new ${nested}OutputReference\\(this, "${argument}"`).test(cls);
      if (/listMapperHcl\(\w+, false\)/.test(value)) {
        // An attribute whose elements are objects, though it may be written as blocks.
        attributes[argument] = {
          type: [kind, object(this.block(nested, false))] as AttributeType,
          mode: `${mode} computed`,
        };
        continue;
      }
      blocks[argument] = {
        nesting:
          kind === "struct" ? (argument === "timeouts" || !single ? "single" : "list") : (kind as "list" | "set"),
        ...(required.has(argument) && { min: 1 }),
        ...(single && kind !== "struct" && { max: 1 }),
        block: this.block(nested, false),
      };
    }
    for (const [attribute, type] of this.#computed(cls)) attributes[attribute] ??= { type, mode: "computed" };
    return {
      attributes: Object.fromEntries(
        Object.entries(attributes)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, { type, mode }]) => [key, typeof type === "string" ? `${mode} ${type}` : [mode, type]]),
      ),
      ...(Object.keys(blocks).length > 0 && { blocks }),
    };
  }

  #class(name: string): string | undefined {
    return new RegExp(`^class ${name} extends [^]*?^}`, "m").exec(this.#js)?.[0];
  }

  #synthesizer(name: string, root: boolean): string {
    const head = root
      ? "synthesizeHclAttributes()"
      : `function ${name[0]?.toLowerCase()}${name.slice(1)}ToHclTerraform(`;
    const at = this.#js.indexOf(head);
    if (at === -1) throw new Error(`Cannot derive ${name}: the package has no ${head}`);
    return this.#js.slice(at, this.#js.indexOf("Object.fromEntries", at));
  }

  #required(name: string): Set<string> {
    const body =
      new RegExp(`export interface ${name}( extends [^{]*)? \\{([^]*?)\\n\\}`).exec(this.#declarations)?.[2] ?? "";
    return new Set([...body.matchAll(/readonly (\w+):/g)].map(([, property = ""]) => snake(property)));
  }

  /** What can only be read. */
  *#computed(cls: string): Generator<[string, AttributeType]> {
    const marked = /\/\/ (\w+) - computed: true, optional: false, required: false\n\s*(?:get \w+\(\) \{\n\s*)?(.+)/g;
    for (const [, name = "", source = ""] of cls.matchAll(marked)) yield [name, this.#read(source)];
  }

  #read(source: string): AttributeType {
    if (/getStringAttribute|getStringValue/.test(source)) return "string";
    if (/getNumberAttribute/.test(source)) return "number";
    if (/getBooleanAttribute|getBoolean/.test(source)) return "bool";
    if (/StringMap/.test(source)) return ["map", "string"];
    if (/tolist\(this\.getListAttribute/.test(source)) return ["set", "string"];
    if (/getListAttribute/.test(source)) return ["list", "string"];
    const [, nested, set] = /new (\w+)List\(this, "\w+", (true|false)\)/.exec(source) ?? [];
    if (nested === undefined) throw new Error(`Cannot derive a type from ${source}`);
    const members = [...this.#computed(this.#class(`${nested}OutputReference`) ?? "")];
    return [set === "true" ? "set" : "list", ["object", Object.fromEntries(members)]];
  }
}

/** The type of an element of an attribute of objects. */
function object(block: Block): AttributeType {
  const members = Object.entries(block.attributes).map(([name, value]): [string, AttributeType] => [
    name,
    typeof value === "string" ? (value.split(" ").at(-1) as AttributeType) : value[1],
  ]);
  return ["object", Object.fromEntries(members)];
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function derive(folder: string): Schemas {
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  const open = (name: string, data: boolean) =>
    new Sources(join(folder, "lib", `${data ? "data-aws-" : ""}${name.replaceAll("_", "-")}`));
  const all = (names: readonly string[], data: boolean) =>
    Object.fromEntries(
      names.toSorted().map((name) => {
        const sources = open(name, data);
        return [`aws_${name}`, sources.block(sources.root, true)];
      }),
    );
  return {
    origin: `Derived by derive.ts from @cdktf/provider-aws ${version} (${license}), which is generated from hashicorp/aws ${open("vpc", false).provider}`,
    license: license ?? "",
    resources: all(resources, false),
    dataSources: all(dataSources, true),
  };
}

const [folder] = process.argv.slice(2);
if (folder === undefined)
  throw new Error("Cannot derive the schema: no folder is given; say where the package was unpacked");
console.log(JSON.stringify(derive(folder)));
