import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderUserData } from "../../src/backends/boot/user-data.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { testRun } from "../harness/run.ts";
import { canonicalText, requestSignature, scopeText, signingKey } from "../harness/s3/sigv4.ts";
import { absence, machineFolder, startMachine } from "./harness/machine.ts";
import { startMetadata } from "./harness/metadata.ts";
import { ticket } from "./harness/site.ts";

const missing = absence();
if (missing) console.warn(`\n*** REQUESTS TO AWS WERE NOT TRIED: ${missing} ***\n`);

/** A cloud's own authority, by the name under which OpenSSL looks for it, and a server's certificate. */
function certificates(hosts: readonly string[]): { authority: string; name: string; key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(testRun.folder, "certificates-"));
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" }).toString().trim();
  const make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl(...make, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=cloud");
  const names = `subjectAltName=${hosts.map((host) => `DNS:${host}`).join(",")}`;
  const signed = [
    "-CA",
    "ca.pem",
    "-CAkey",
    "ca.key",
    "-addext",
    names,
    "-addext",
    "basicConstraints=critical,CA:false",
  ];
  openssl(...make, "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=s3", ...signed);
  const read = (name: string) => readFileSync(join(folder, name));
  return {
    authority: read("ca.pem").toString(),
    name: openssl("x509", "-in", "ca.pem", "-noout", "-hash"),
    key: read("key.pem"),
    cert: read("cert.pem"),
  };
}

const role = {
  AccessKeyId: "ASIAEXAMPLE",
  SecretAccessKey: "secret",
  Token: "token/+=",
  Expiration: "2099-01-01T00:00:00Z",
};
const roles = "meta-data/iam/security-credentials/";
const answers: Record<string, string> = {
  "meta-data/instance-id": "i-1",
  [roles]: "runner",
  [`${roles}runner`]: JSON.stringify(role),
};

/** Boots against hosts of AWS, which know no object. Gives Host and path of each request, and what was said. */
async function askAws(bucket: string, region: string, trusted = true): Promise<{ asked: string[]; console: string }> {
  const folder = machineFolder();
  const dns = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const hosts = [`s3.${region}.${dns}`, `*.s3.${region}.${dns}`];
  const { authority, name, key, cert } = certificates(hosts);
  const asked: string[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    const header = (wanted: string) => String(request.headers[wanted] ?? "");
    const part = (wanted: string) => new RegExp(`${wanted}=([^, ]+)`).exec(header("authorization"))?.[1] ?? "";
    const moment = header("x-amz-date");
    const scope = { date: moment.slice(0, 8), region, service: "s3" };
    const text = {
      method: request.method ?? "",
      path: request.url ?? "",
      query: [],
      headers: part("SignedHeaders")
        .split(";")
        .map((one) => [one, header(one)] as const),
      payload: header("x-amz-content-sha256"),
    };
    const signature = requestSignature(signingKey(role.SecretAccessKey, scope), moment, scopeText(scope), text);
    const right = signature === part("Signature") && canonicalText(text).includes("x-amz-security-token:token/+=");
    asked.push(`${right ? "signed" : "forged"} ${header("host")} ${request.url}`);
    response.writeHead(404, { "x-amz-bucket-region": "eu-west-9" }).end("<Error><Code>NoSuchKey</Code></Error>");
  });
  const listening = Promise.withResolvers<void>();
  server.listen(join(folder, "aws"), () => listening.resolve());
  await listening.promise;
  whenTestEnds(async () => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    server.closeAllConnections();
    await closed.promise;
  });
  const metadata = await startMetadata(join(folder, "metadata"), { answer: (path) => answers[path] });
  whenTestEnds(async () => metadata[Symbol.asyncDispose]());
  const machine = startMachine(folder, {
    userData: renderUserData({
      region,
      bucket,
      prefix: "p/",
      release: "a".repeat(64),
      addresses: ["10.9.0.1:4000"],
      fingerprint: "ab".repeat(32),
      ticket,
      lifetimeMs: 300_000,
      noParentMs: 60_000,
      parentLostMs: 60_000,
    }),
    files: { authority },
    prepare: `${trusted ? `cp host/authority etc/ssl/certs/${name}.0` : ""}
      echo "10.9.0.1 s3.${region}.${dns} ${bucket}.s3.${region}.${dns}" >>etc/hosts`,
  });
  await machine.off();
  return { asked, console: machine.console() };
}

const key = `p/releases/${"a".repeat(64)}.json`;

test.skipIf(missing)("buckets of AWS are asked by their own host names, over TLS", async () => {
  const { asked, console } = await askAws("my-bucket", "eu-central-1");
  expect(asked).toEqual([`signed my-bucket.s3.eu-central-1.amazonaws.com /${key}`]);
  expect(console).toMatch(/from bucket my-bucket: status 404 NoSuchKey; the bucket is in eu-west-9/);
});

test.skipIf(missing)("buckets with a dot, which no certificate covers, are asked by their path", async () => {
  const { asked } = await askAws("my.bucket", "eu-central-1");
  expect(asked).toEqual([`signed s3.eu-central-1.amazonaws.com /my.bucket/${key}`]);
});

test.skipIf(missing)("buckets in China are asked there", async () => {
  const { asked } = await askAws("my-bucket", "cn-north-1");
  expect(asked).toEqual([`signed my-bucket.s3.cn-north-1.amazonaws.com.cn /${key}`]);
});

test.skipIf(missing)("a host that nobody vouches for gets nothing, at the first try", async () => {
  const { asked, console } = await askAws("my-bucket", "eu-central-1", false);
  expect(asked).toEqual([]);
  expect(console).toMatch(/SSLCertVerificationError.*\(try 1\)/);
});
