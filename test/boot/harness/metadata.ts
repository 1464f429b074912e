import { createServer } from "node:http";

export interface MetadataOptions {
  /** What a path below /latest/ answers: a text, or another status than 200; undefined is 404. Asked at each request. */
  readonly answer: (path: string) => string | number | undefined;
  /** @default 200 */
  readonly tokenStatus?: number;
}

/** A metadata service, version 2, on a Unix socket. */
export async function startMetadata(
  socket: string,
  options: MetadataOptions,
): Promise<AsyncDisposable & { readonly asked: string[] }> {
  const asked: string[] = [];
  let tokens = 0;
  const server = createServer((request, response) => {
    const path = (request.url ?? "").replace(/^\/latest\//, "");
    asked.push(`${request.method} ${path}`);
    const send = (status: number, text = ""): void => void response.writeHead(status).end(text);
    if (path === "api/token") {
      if (request.method !== "PUT" || !request.headers["x-aws-ec2-metadata-token-ttl-seconds"]) return send(400);
      return send(options.tokenStatus ?? 200, `token-${++tokens}`);
    }
    if (request.headers["x-aws-ec2-metadata-token"] !== `token-${tokens}`) return send(401);
    const found = options.answer(path);
    return typeof found === "string" ? send(200, found) : send(found ?? 404);
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(socket, resolve);
  await promise;
  return {
    asked,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}
