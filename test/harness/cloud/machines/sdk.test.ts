import { createReadStream, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { scriptFolder } from "../../script-folder.ts";
import { startS3 } from "../../s3/server.ts";
import { machinesAvailable } from "./available.ts";
import { output } from "./lab.ts";
import { startMachines } from "./machines.ts";

/** What runs inside: the real SDK, which knows nothing of the test bench but the bucket's address. */
const program = `
  import { S3Client, PutObjectCommand } from "@aws-sdk/client-s3";
  import { MetadataService } from "@aws-sdk/ec2-metadata-service";
  const metadata = new MetadataService({ ec2MetadataV1Disabled: true });
  console.log("instance", await metadata.request("/latest/meta-data/instance-id", {}));
  const s3 = new S3Client({ region: "us-east-1", endpoint: process.argv[2], forcePathStyle: true });
  console.log("key", (await s3.config.credentials()).accessKeyId);
  await s3.send(new PutObjectCommand({ Bucket: "test", Key: "from-inside", Body: "hello" }));
  console.log("put");
`;

describe.skipIf(!(await machinesAvailable()))("the real SDK", () => {
  test("in a machine finds its role's credentials and reaches S3 with them", async () => {
    await using s3 = await startS3();
    await using machines = await startMachines({
      credentials(role) {
        const {
          accessKeyId,
          secretAccessKey,
          sessionToken = "",
        } = s3.credentialsFor(role, {
          session: true,
          expiresInMs: 3_600_000,
        });
        return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(Date.now() + 3_600_000) };
      },
    });
    const port = Number(new URL(s3.endpoint).port);
    await machines.publish(port);
    const folder = scriptFolder({});
    await build({
      stdin: { contents: program, resolveDir: import.meta.dirname, loader: "ts" },
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: join(folder, "main.mjs"),
      logLevel: "silent",
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    writeFileSync(join(folder, "package.json"), "{}");
    const files = createServer((request, response) => {
      createReadStream(request.url === "/node" ? process.execPath : join(folder, "main.mjs")).pipe(response);
    });
    await new Promise<void>((resolve) => files.listen(0, machines.parentAddress, resolve));
    const from = `http://${machines.parentAddress}:${(files.address() as AddressInfo).port}`;
    const script = `python3 -c 'from urllib.request import urlretrieve as get; get("${from}/node", "/opt/node"); get("${from}/main.mjs", "/opt/main.mjs")'
      chmod 755 /opt/node; /opt/node /opt/main.mjs http://${machines.parentAddress}:${port}; echo "code $?"`;
    try {
      const text = await output(machines, script, { role: "worker" });
      expect(text.split("\n")).toEqual([expect.stringMatching(/^instance i-/), "key ASIA-worker", "put", "code 0"]);
      expect(s3.buckets.keys("test")).toEqual(["from-inside"]);
    } finally {
      files.closeAllConnections();
      files.close();
    }
  });
});
