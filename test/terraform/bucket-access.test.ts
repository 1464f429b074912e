/** What the policies allow in the bucket is what the code asks of it: by the driver's source, and by a parent at work on a server. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Ownership } from "../../src/deploy/ownership.ts";
import { openStore } from "../../src/store.ts";
import { pack, project } from "../deploy/release/project.ts";
import { startS3 } from "../harness/s3/server.ts";
import { repository } from "../harness/script-folder.ts";
import { driverOf } from "../store/s3-site.ts";

/** By AWS's reference of actions: what each request needs. */
const needs: Record<string, string> = {
  GetObject: "s3:GetObject",
  HeadObject: "s3:GetObject",
  PutObject: "s3:PutObject",
  CreateMultipartUpload: "s3:PutObject",
  UploadPart: "s3:PutObject",
  CompleteMultipartUpload: "s3:PutObject",
  AbortMultipartUpload: "s3:AbortMultipartUpload",
  DeleteObject: "s3:DeleteObject",
  ListObjectsV2: "s3:ListBucket",
};

type Lists = Record<"releases" | "objects" | "bucket", string[]>;
const actions = JSON.parse(
  readFileSync(join(repository, "terraform/modules/tinderbox/actions.json"), "utf8"),
) as Record<"parent" | "runner", Lists>;

test("the requests of the S3 driver are those that are allowed", () => {
  const folder = join(repository, "src/store/drivers");
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  const commands = sources.flatMap((text) =>
    [...text.matchAll(/new sdk\.(\w+)Command\(/g)].map(([, name = ""]) => name),
  );
  expect(commands.filter((name) => needs[name] === undefined)).toEqual([]);
  const asked = new Set(commands.map((name) => needs[name]));
  for (const who of ["parent", "runner"] as const)
    expect(new Set([...actions[who].objects, ...actions[who].bucket])).toEqual(asked);
});

test("a parent packs, holds its claim and notes its launches within what it is allowed", async () => {
  await using s3 = await startS3({ buckets: ["test"] });
  const { endpoint, region, credentials } = s3;
  const root = project({ "more.js": "1" });
  await using driver = driverOf(s3, { prefix: "tinderbox/" });
  // Again: what is there already is looked at only.
  for (let times = 0; times < 2; times++) await pack(root, { driver, clock: systemClock });
  {
    await using store = openStore("s3://test/tinderbox", { endpoint, region, credentials });
    const parent = new Ownership(store);
    const settled = await parent.intend("token", { count: 1, pool: "p" });
    expect(await parent.open()).toHaveLength(1);
    await settled();
    expect(await parent.claim("another", false)).toBeDefined();
    await parent.forget("another");
    await parent.close();
  }
  const below = (...folders: string[]) => folders.map((folder) => `tinderbox/${folder}/`);
  const allowed = [
    { does: actions.parent.releases, on: below("layers", "releases") },
    { does: actions.parent.objects, on: below(".tinderbox", "requests") },
  ];
  const { log } = s3.requests;
  for (const { operation = "none", key } of log) {
    if (needs[operation] === "s3:ListBucket") continue;
    const grants = allowed.filter(
      ({ does, on }) => does.includes(needs[operation]!) && on.some((prefix) => key.startsWith(prefix)),
    );
    expect(grants, `${operation} ${key}`).toHaveLength(1);
  }
  expect(new Set(log.map(({ key }) => key.split("/").slice(0, 2).join("/")))).toEqual(
    new Set(["", ...below(".tinderbox", "layers", "releases", "requests").map((prefix) => prefix.slice(0, -1))]),
  );
  expect(new Set(log.map(({ operation = "" }) => needs[operation]))).toEqual(
    new Set(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]),
  );
});
