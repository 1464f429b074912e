/** What the tests of the S3 driver share: drivers of a test server, something between the two, and a look at errors. */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { expect } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { StoreError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import type { S3Options } from "../../src/store/drivers/s3-options.ts";
import { s3Driver } from "../../src/store/drivers/s3.ts";
import type { S3Server } from "../harness/s3/server.ts";

type Reachable = Pick<S3Server, "endpoint" | "region" | "credentials">;

export interface OpenedDriver extends StoreDriver, AsyncDisposable {}

/** A driver of a test server; closed when it is disposed. */
export function driverOf({ endpoint, region, credentials }: Reachable, options: Partial<S3Options> = {}): OpenedDriver {
  const driver = s3Driver({ bucket: "test", clock: systemClock, endpoint, region, credentials, ...options });
  return { ...driver, [Symbol.asyncDispose]: () => driver.close() };
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer of S3 that refuses. */
export function refusing(status: number, code: string, more = ""): Answer {
  return { status, body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>` };
}

/** Between driver and server: answers by itself where `answer` says so, and changes headers where `change` does. */
export async function between(
  server: Reachable,
  answer: (request: IncomingMessage) => Answer | undefined,
  change: (headers: IncomingMessage["headers"]) => void = () => undefined,
): Promise<Reachable & AsyncDisposable> {
  const forward = (incoming: IncomingMessage, response: ServerResponse): void => {
    const own = answer(incoming);
    if (own) {
      incoming.resume().once("end", () => response.writeHead(own.status, own.headers).end(own.body));
      return;
    }
    const { hostname, port } = new URL(server.endpoint);
    const { method, url, headers } = incoming;
    change(headers);
    const onward = request({ hostname, port, method, path: url, headers, agent: false }, (answered) => {
      response.writeHead(answered.statusCode ?? 500, answered.headers);
      answered.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  };
  const http = createServer(forward);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    ...server,
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

/** What it fails with: one of ours, in which there is nothing secret however one looks at it. */
export async function failure(
  promise: Promise<unknown>,
  { credentials }: Pick<Reachable, "credentials">,
): Promise<StoreError> {
  const error = await promise.then(
    (value) => expect.fail(`it did not fail, but gave ${inspect(value)}`),
    (reason: unknown) => reason,
  );
  expect(StoreError.is(error), inspect(error)).toBe(true);
  const { message, stack = "" } = error as StoreError;
  const shown = [
    inspect(error, { depth: Infinity, showHidden: true, getters: true }),
    JSON.stringify(error),
    message,
    stack,
  ];
  const { accessKeyId, secretAccessKey, sessionToken = secretAccessKey } = credentials;
  for (const text of shown) {
    for (const secret of [accessKeyId, secretAccessKey, sessionToken]) expect(text.includes(secret)).toBe(false);
    expect(text).not.toMatch(/signature=|credential=|AWS4-HMAC|x-amz-/i);
  }
  expect(message).toMatch(/^Cannot [^;]+; [^;]+$/);
  return error as StoreError;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);

export async function* pieces(...parts: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === "string" ? bytes(part) : part;
}

/** So many bytes, in pieces, each byte by its place. */
export async function* patterned(size: number, piece = 256 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += piece) yield patternAt(at, Math.min(piece, size - at));
}

const period = 65_536;
const pattern = Buffer.from(Uint8Array.from({ length: period }, (_, at) => at * 31 + (at >>> 8)));

export function patternAt(start: number, length: number): Uint8Array {
  const made = Buffer.alloc(length);
  for (let at = 0; at < length;) at += pattern.copy(made, at, (start + at) % period);
  return made;
}

/** All of a body, as text. */
export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  return (await bytesOf(body)).toString();
}

export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}
