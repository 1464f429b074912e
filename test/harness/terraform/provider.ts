/**
 * What terraform takes for the AWS provider: it knows the arguments of the resources that `terraform/` uses, and can make none of them.
 * With it `init`, `validate` and `test` (with `mock_provider`) work without a network, and each misspelt, mistyped, missing or unknown
 * argument is refused. Of what the real one checks beyond that it knows a part, `validate.ts`; not which arguments exclude each other.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadPackageDefinition, Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { decode } from "./msgpack.ts";
import { message, type Schemas } from "./schema.ts";
import { complaints } from "./validate.ts";

const protocol = fileURLToPath(new URL("./plugin.proto", import.meta.url));
const schemas = JSON.parse(readFileSync(new URL("./schema.json", import.meta.url), "utf8")) as Schemas;

export interface Provider {
  /** For the environment of terraform: how it finds this provider, instead of starting one of its own. */
  readonly environment: Readonly<Record<"TF_REATTACH_PROVIDERS", string>>;
  close(): void;
}

type Reply = (error: Error | null, answer: object) => void;

/** A question whether a resource or a data source is configured as it has to be. */
interface Question {
  readonly request: { readonly type_name: string; readonly config: { readonly msgpack: Buffer } };
}

/**
 * Listens on a socket in a folder of its own below `parent`.
 *
 * @example
 * const provider = await startProvider(tmpdir());
 * spawn("terraform", ["validate"], { env: { ...process.env, ...provider.environment } });
 */
export async function startProvider(parent: string): Promise<Provider> {
  const folder = mkdtempSync(join(parent, "provider-"));
  const socket = join(folder, "socket");
  const server = new Server();
  const answer = (value: object) => (_call: unknown, reply: Reply) => reply(null, value);
  server.addService(service(), {
    GetProviderSchema: answer({
      provider: { block: message({ attributes: { region: "optional string" } }) },
      resource_schemas: blocks(schemas.resources),
      data_source_schemas: blocks(schemas.dataSources),
    }),
    ValidateProviderConfig: answer({}),
    ValidateResourceConfig: verdict(schemas.resources),
    ValidateDataResourceConfig: verdict(schemas.dataSources),
    StopProvider: answer({}),
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  const attachment = {
    Protocol: "grpc",
    ProtocolVersion: 6,
    Pid: process.pid,
    // It is not terraform's to end.
    Test: true,
    Addr: { Network: "unix", String: socket },
  };
  return {
    environment: { TF_REATTACH_PROVIDERS: JSON.stringify({ "hashicorp/aws": attachment }) },
    close: () => {
      server.forceShutdown();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function verdict(all: Schemas["resources"]) {
  return ({ request: { type_name: type, config } }: Question, reply: Reply) => {
    const block = all[type];
    const found = block ? complaints(type, block, decode(config.msgpack)) : [`There is no ${type}`];
    reply(null, { diagnostics: found.map((summary) => ({ severity: "ERROR", summary })) });
  };
}

function blocks(all: Schemas["resources"]): object {
  return Object.fromEntries(Object.entries(all).map(([name, block]) => [name, { version: 0, block: message(block) }]));
}

function service(): ServiceDefinition {
  const definition = loadPackageDefinition(loadSync(protocol, { keepCase: true, defaults: true }));
  const { Provider: client } = definition["tfplugin6"] as unknown as { Provider: { service: ServiceDefinition } };
  return client.service;
}
