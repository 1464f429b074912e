import { createHash } from "node:crypto";
import type { Credentials } from "../../../s3/authenticate.ts";
import { algorithm, requestSignature, scopeText, signingKey } from "../../../s3/sigv4.ts";

export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  /** Of a refusal. */
  readonly code: string | undefined;
}

export interface RawPlace {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
}

/** Sends a signed form as it is, which the SDK would not: unknown, missing and malformed parameters. */
export async function rawRequest(
  { endpoint, region, credentials }: RawPlace,
  form: Readonly<Record<string, string>>,
  service = "ec2",
): Promise<RawAnswer> {
  const { host } = new URL(endpoint);
  const body = new URLSearchParams({ Version: "2016-11-15", ...form }).toString();
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = { date: timestamp.slice(0, 8), region, service };
  const headers = [
    ["host", host],
    ["x-amz-date", timestamp],
    ...(credentials.sessionToken === undefined ? [] : [["x-amz-security-token", credentials.sessionToken]]),
  ] as [string, string][];
  const payload = createHash("sha256").update(body).digest("hex");
  const request = { method: "POST", path: "/", query: [], headers, payload };
  const key = signingKey(credentials.secretAccessKey, scope);
  const signature = requestSignature(key, timestamp, scopeText(scope), request);
  const names = headers.map(([name]) => name).join(";");
  const response = await fetch(endpoint, {
    method: "POST",
    body,
    headers: {
      ...Object.fromEntries(headers.slice(1)),
      "content-type": "application/x-www-form-urlencoded",
      authorization: `${algorithm} Credential=${credentials.accessKeyId}/${scopeText(scope)}, SignedHeaders=${names}, Signature=${signature}`,
    },
  });
  const text = await response.text();
  return { status: response.status, text, code: /<Code>(.*?)<\/Code>/.exec(text)?.[1] };
}
