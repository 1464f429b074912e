import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { besideEachOther } from "./harness/beside.ts";
import { absence } from "./harness/machine.ts";
import { appLayer, boot, type BootOptions, listening, nodeLayer, prefix, type Site } from "./harness/site.ts";
import { archive } from "./harness/tar.ts";

const missing = absence();
if (missing) console.warn(`\n*** FETCHING OF RELEASES WAS NOT TRIED: ${missing} ***\n`);

besideEachOther();

/** A layer of more than a megabyte that does not shrink. */
const data = randomBytes(2 << 20);
const big = { ...appLayer(listening), entries: [...appLayer(listening).entries, { name: "data", data }] };
const release = { layers: [nodeLayer, big] };
const layerKey = /layers\//;

async function boots(options: BootOptions) {
  const made = await boot({ release, ...options });
  await made.machine.see(/the machine process runs/);
  await made.machine.see(/user data: code 0/);
  return made;
}

test.skipIf(missing).concurrent(
  "a bucket that is never well is given up, with its last words",
  async () => {
    const { machine } = await boot({
      before: ({ s3 }) => void s3.faults.add({ kind: "unavailableBefore", operation: "GetObject", times: 1_000 }),
    });
    await machine.off(60_000);
    expect(machine.console()).toMatch(
      /Cannot fetch .*: status 503 SlowDown \(Please reduce your request rate\.\) \(try 9\)/,
    );
  },
  80_000,
);

test.skipIf(missing).concurrent(
  "answers of 500 and 503 and lost ones are asked again",
  async () => {
    const { site } = await boots({
      before({ s3 }) {
        for (const kind of ["unavailableBefore", "internalBefore", "droppedRequest", "lostReply"] as const)
          s3.faults.add({ kind, operation: "GetObject" });
        s3.faults.add({ kind: "unavailableBefore", operation: "GetObject", key: layerKey, times: 3 });
      },
    });
    expect(site.s3.faults.struck()).toBe(7);
  },
  40_000,
);

test.skipIf(missing).concurrent(
  "a body that is cut off is gone on with, not begun again",
  async () => {
    const { site, machine } = await boots({
      before: ({ s3 }) => void s3.faults.add({ kind: "cutBody", operation: "GetObject", key: layerKey, times: 4 }),
    });
    expect(site.s3.faults.struck("cutBody")).toBe(4);
    // Begun again it would have been sent two or three times.
    expect(site.traffic.received).toBeLessThan((2 << 20) * 1.5);
    expect(machine.inside("stat -c %s /srv/shop/app/data")).toBe(`${2 << 20}\n`);
  },
  40_000,
);

test.skipIf(missing).concurrent("an object that is another when its rest is asked for is begun again", async () => {
  const bytes = archive(...big.entries);
  const key = `${prefix}layers/${createHash("sha256").update(bytes).digest("hex")}.tar.gz`;
  const other = Buffer.from(bytes.map((byte) => byte ^ 1));
  const { site, machine } = await boot({
    release: { layers: [nodeLayer, { ...big, bytes, stored: () => other }] },
    before({ s3 }) {
      s3.faults.add({ kind: "cutBody", operation: "GetObject", key });
      // Time to bring the right one.
      s3.faults.add({ kind: "unavailableBefore", operation: "GetObject", key, times: 4 });
    },
  });
  await until("the first be cut off", () => site.s3.faults.struck("cutBody") === 1);
  await site.put(key, bytes);
  await machine.see(/the machine process runs/);
  const asked = site.s3.requests.log.filter((one) => one.operation === "GetObject" && one.key === key);
  expect(asked.map(({ status }) => status)).toEqual([200, 503, 503, 503, 503, 412, 200]);
});

test.skipIf(missing).concurrent(
  "a body with a wrong bit is asked for once more, and then refused",
  async () => {
    const corrupt = (times: number) => (site: Site) => {
      site.s3.faults.add({ kind: "corruptBody", operation: "GetObject", key: layerKey, times });
    };
    const { machine } = await boots({ before: corrupt(1) });
    expect(machine.inside("sha256sum </srv/shop/app/data | cut -d' ' -f1").trim()).toBe(
      createHash("sha256").update(data).digest("hex"),
    );
    const refused = await boot({ release, before: corrupt(4) });
    await refused.machine.off();
    expect(refused.machine.console()).toMatch(/Cannot use layer \w+: its SHA-256 is/);
  },
  40_000,
);

test
  .skipIf(missing)
  .concurrent("a bucket that trickles is given up when the parent should have been heard", async () => {
    const { machine } = await boot({
      release,
      userData: { noParentMs: 8_000 },
      before: ({ s3 }) =>
        void s3.faults.add({
          kind: "slowBody",
          bytesPerSecond: 2_000,
          operation: "GetObject",
          key: layerKey,
          times: 9,
        }),
    });
    await machine.off();
    expect(machine.console()).toMatch(
      /power-off, the parent was never heard within 8 s; last step: fetching and unpacking 2 layers of \d+ bytes/,
    );
  });

test.skipIf(missing).concurrent.each([
  ["behind", 86_400_000],
  ["ahead", -86_400_000],
])("a clock that is a day %s does not matter", async (_name, clockOffsetMs) => {
  const { site } = await boots({ site: { s3: { clockOffsetMs } } });
  // Refused once and set right, for all that follow.
  const refused = site.s3.requests.log.filter(({ operation, status }) => operation !== "PutObject" && status === 403);
  expect(refused).toHaveLength(1);
});

test.skipIf(missing).concurrent(
  "credentials that are refused before their time are asked for again",
  async () => {
    const expiresInMs = (issued: number) => (issued < 2 ? -1_000 : 3_600_000);
    const { site } = await boots({ site: { expiresInMs, expiration: "2099-01-01T00:00:00Z" } });
    expect(site.metadata.asked.filter((asked) => asked.endsWith("credentials/runner"))).toHaveLength(2);
  },
  40_000,
);

test.skipIf(missing).concurrent(
  "credentials that have ended are asked for again",
  async () => {
    const { site } = await boots({ site: { expiresInMs: (issued) => (issued < 3 ? -1_000 : 3_600_000) } });
    expect(site.metadata.asked.filter((asked) => asked.endsWith("credentials/runner"))).toHaveLength(3);
  },
  40_000,
);

test.skipIf(missing).concurrent("credentials that will soon end are asked for again before they do", async () => {
  const { site } = await boots({
    site: { expiresInMs: (issued) => (issued < 2 ? 60_000 : 3_600_000) },
    before: ({ s3 }) =>
      // Until it may ask for others again.
      void s3.faults.add({ kind: "unavailableBefore", operation: "GetObject", key: /releases\//, times: 3 }),
  });
  expect(site.metadata.asked.filter((asked) => asked.endsWith("credentials/runner"))).toHaveLength(2);
});

test.skipIf(missing).concurrent("a token of the metadata service that has ended is asked for again", async () => {
  let calls = 0;
  const { site } = await boots({ site: { answer: () => (++calls === 2 ? 401 : undefined) } });
  expect(site.metadata.asked.filter((asked) => asked === "PUT api/token")).toHaveLength(2);
});
