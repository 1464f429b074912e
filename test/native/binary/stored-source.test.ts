import { createHash } from "node:crypto";
import { S3Client, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { environmentOf } from "../../harness/s3/environment.ts";
import { startS3 } from "../../harness/s3/server.ts";
import { startScript } from "../../harness/script.ts";

const tool = "#!/bin/sh\necho from a bucket\n";
const sha256 = createHash("sha256").update(tool).digest("hex");

test("a binary comes from a bucket, and one of another hash is not run", async () => {
  await using s3 = await startS3({ buckets: ["tools"] });
  const client = new S3Client({ ...s3, forcePathStyle: true, endpoint: s3.endpoint });
  await client.send(new PutObjectCommand({ Bucket: "tools", Key: "bin/a tool", Body: Buffer.from(tool) }));
  client.destroy();
  const code = `
    import { binary } from "tinderbox";
    const run = (name, sha256, source = "s3://tools/bin/a%20tool") =>
      binary(name, { source: { [process.platform + "-" + process.arch]: { url: source, sha256 } } }).run([], { encoding: "utf8" }).then(({ stdout }) => stdout, (error) => error.message);
    console.log(await run("good", "${sha256}"));
    console.log(await run("bad", "${"0".repeat(64)}"));
    console.log(await run("missing", "${"1".repeat(64)}", "s3://tools/nothing"));
  `;
  const { stdout, stderr } = await startScript(code, { env: environmentOf(s3) }).finished;
  const [good, bad, missing] = stdout.split("\n").filter(Boolean);
  expect(good, stderr).toBe("from a bucket");
  expect(bad).toMatch(/sha256/);
  expect(missing).toMatch(/s3:\/\/tools\/nothing/);
  expect(stdout + stderr).not.toContain(s3.credentials.secretAccessKey);
});
