import type { S3Server } from "./server.ts";

/** What a program needs in its environment to find a server by itself. */
export function environmentOf({
  endpoint,
  region,
  credentials,
}: Pick<S3Server, "endpoint" | "region" | "credentials">) {
  return {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
}
