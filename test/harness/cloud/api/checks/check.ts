import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Credentials } from "../../../s3/authenticate.ts";
import type { Cloud, CloudOptions } from "../../cloud.ts";
import { rawRequest, type RawAnswer } from "./raw.ts";
import {
  DescribeInstancesCommand,
  EC2Client,
  type EC2ClientConfig,
  EC2ServiceException,
  type Instance,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from "./sdk.ts";
import { Notes, validateAnswer, validateRefusal } from "./validate.ts";

/** Where a server is that speaks EC2. */
export interface Place {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  /** An x86_64 image that is there. */
  readonly imageId: string;
}

/** What a check works with. Nobody else's things have the tag `check` with its `mark`. */
export interface Bench extends Place {
  readonly client: EC2Client;
  readonly mark: string;
  /** A client of other settings, destroyed when the check is over. */
  connect(settings: EC2ClientConfig): EC2Client;
  /** Sends a form that no client would send. */
  raw(form: Readonly<Record<string, string>>): Promise<RawAnswer>;
}

/** Servers that were compared and do not pass everything. */
export type Deviant = "moto";

/** One thing that EC2 does, as the unmodified SDK sees it. Throws when the server does something else. */
export interface Check {
  readonly name: string;
  run(bench: Bench): Promise<void>;
  /** Why a server is known to fail this. */
  readonly deviations?: Partial<Readonly<Record<Deviant, string>>>;
}

/** The same for what only a server can show that is told to: lags, shortages, faults. It has a server of its own. */
export interface OwnCheck {
  readonly name: string;
  readonly options: CloudOptions;
  run(bench: Bench & { readonly cloud: Cloud }): Promise<void>;
}

const ignore = () => undefined;

interface RawResponse {
  readonly statusCode: number;
  body: AsyncIterable<Uint8Array> | Uint8Array;
}

async function bytesOf(body: RawResponse["body"]): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Settings that show a server as it is: no retry. Every answer is held against the model, which fails a request where
 * the two differ; with `notes` it is only noted.
 */
export function clientOf(place: Omit<Place, "imageId">, settings: EC2ClientConfig = {}, notes?: Notes): EC2Client {
  const { endpoint, region, credentials } = place;
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const client = new EC2Client({ endpoint, region, credentials, maxAttempts: 1, logger, ...settings });
  const answers = new WeakMap<object, string>();
  const validate = (look: (into: Notes) => void) => {
    const found = notes ?? new Notes();
    look(found);
    if (!notes) assert.deepEqual([...found.problems], [], "the answer is not as the SDK's model says");
  };
  // Around the SDK's parser, and inside of it where the bytes are.
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const operation = String(context["commandName"]).replace(/Command$/, "");
      validate((into) => validateAnswer(operation, answers.get(context) ?? "", result.output, into));
      return result;
    },
    { step: "initialize", priority: "high", name: "validateAnswer" },
  );
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const response = result.response as RawResponse;
      const bytes = await bytesOf(response.body);
      response.body = bytes;
      answers.set(context, bytes.toString());
      if (response.statusCode >= 300) validate((into) => validateRefusal(bytes.toString(), into));
      return result;
    },
    { step: "deserialize", priority: "low", name: "keepXml" },
  );
  return client;
}

/** Asserts that a request is refused with a code and, if given, a status. Returns the message. */
export async function refused(request: Promise<unknown>, code: string, status?: number): Promise<string> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error !== undefined, `it is accepted, wanted is ${code}`);
  assert.ok(error instanceof EC2ServiceException, `it fails with ${String(error)}, wanted is ${code}`);
  assert.equal(error.name, code, `it is refused with ${error.name}: ${error.message}`);
  if (status !== undefined) assert.equal(error.$metadata.httpStatusCode, status, `the status of ${code}`);
  return error.message;
}

/** Tags that make something a check's own. */
export function own({ mark }: Bench, tags: Readonly<Record<string, string>> = {}): { Key: string; Value: string }[] {
  return Object.entries({ check: mark, ...tags }).map(([Key, Value]) => ({ Key, Value }));
}

/** Launches instances of the check's own. */
export async function run(bench: Bench, input: Partial<RunInstancesCommandInput> = {}): Promise<Instance[]> {
  const { Instances = [] } = await bench.client.send(
    new RunInstancesCommand({
      ImageId: bench.imageId,
      InstanceType: "c5.large",
      MinCount: 1,
      MaxCount: input.MinCount ?? 1,
      TagSpecifications: [{ ResourceType: "instance", Tags: own(bench) }],
      ...input,
    }),
  );
  return Instances;
}

/** The one instance that a launch gave. */
export async function runOne(
  bench: Bench,
  input: Partial<RunInstancesCommandInput> = {},
): Promise<Instance & { InstanceId: string }> {
  const instances = await run(bench, input);
  assert.equal(instances.length, 1);
  const [{ InstanceId = "", ...rest } = {}] = instances;
  assert.match(InstanceId, /^i-[\da-f]{17}$/);
  return { ...rest, InstanceId };
}

/** All instances of the check's own that are listed. */
export async function listed({ client, mark }: Bench): Promise<Instance[]> {
  const { Reservations = [] } = await client.send(
    new DescribeInstancesCommand({ Filters: [{ Name: "tag:check", Values: [mark] }] }),
  );
  return Reservations.flatMap(({ Instances = [] }) => Instances);
}

/** An instance as it is described. */
export async function described({ client }: Bench, id: string): Promise<Instance> {
  const { Reservations = [] } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const [instance = {}] = Reservations.flatMap(({ Instances = [] }) => Instances);
  assert.equal(instance.InstanceId, id);
  return instance;
}

export const base64 = (text: string) => Buffer.from(text).toString("base64");

export function makeBench(place: Place, notes?: Notes): { readonly bench: Bench; close(): void } {
  const clients: EC2Client[] = [];
  const connect: Bench["connect"] = (settings) => {
    const client = clientOf(place, settings, notes);
    clients.push(client);
    return client;
  };
  const mark = randomUUID();
  const bench: Bench = { ...place, client: connect({}), mark, connect, raw: (form) => rawRequest(place, form) };
  return {
    bench,
    close() {
      for (const one of clients) one.destroy();
    },
  };
}
