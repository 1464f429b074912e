import { execFileSync } from "node:child_process";
import { X509Certificate, verify } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { machinesAvailable } from "./available.ts";
import { launch, order, output, said, type Wish } from "./lab.ts";
import { type Machines, startMachines } from "./machines.ts";
import type { RoleCredentials } from "./protocol.ts";

/** `imds <method> <path> [header=value...]` prints "<status> <body>"; `get <path>` asks with a token. */
const client = `
imds() { python3 -IS - "$@" <<'PYTHON'
import http.client, sys
connection = http.client.HTTPConnection("169.254.169.254", 80, timeout=3)
connection.request(sys.argv[1], sys.argv[2], headers=dict(one.split("=", 1) for one in sys.argv[3:]))
answer = connection.getresponse()
print(answer.status, answer.read().decode())
PYTHON
}
token() { imds PUT /latest/api/token X-aws-ec2-metadata-token-ttl-seconds=\${1:-60} | cut -d' ' -f2; }
get() { imds GET "/latest/$1" "X-aws-ec2-metadata-token=\${TOKEN:=$(token)}"; }
`;

describe.skipIf(!(await machinesAvailable()))("the metadata service", () => {
  let machines: Machines;
  const issued: { role: string; id: string }[] = [];
  let lifeMs = 3_600_000;
  const credentials = (role: string, id: string): RoleCredentials | undefined => {
    issued.push({ role, id });
    if (role === "broken") throw new Error("no credentials today");
    if (role === "none") return undefined;
    const number = issued.length;
    const expiration = new Date(Date.now() + lifeMs);
    return { accessKeyId: `ASIA${number}`, secretAccessKey: "secret", sessionToken: "token", expiration };
  };
  beforeAll(async () => {
    machines = await startMachines({ credentials });
  });
  afterAll(() => machines.close());

  const ask = async (lines: string, wish: Wish = {}) => (await output(machines, `${client}${lines}`, wish)).split("\n");

  test("refuses who has no token, and who has another's, an old or a wrong one", async () => {
    const [other = ""] = await ask("token 21600");
    expect(other.length).toBeGreaterThan(40);
    const answers = await ask(`
      imds GET /latest/meta-data/instance-id | cut -c1-3
      imds GET /latest/user-data X-aws-ec2-metadata-token=wrong | cut -c1-3
      imds GET /latest/user-data X-aws-ec2-metadata-token=${other} | cut -c1-3
      short=$(token 1); imds GET /latest/meta-data/ X-aws-ec2-metadata-token=$short | head -1 | cut -c1-3
      until imds GET /latest/meta-data/ X-aws-ec2-metadata-token=$short | grep -q ^401; do sleep 0.1; done; echo over`);
    expect(answers).toEqual(["401", "401", "401", "200", "over"]);
  });

  test("answers without a token where that is allowed, but never to a wrong one", async () => {
    const wish = { metadata: { tokens: "optional" } } as const;
    const answers = await ask(
      "imds GET /latest/meta-data/instance-type; imds GET /latest/meta-data/ X-aws-ec2-metadata-token=wrong | cut -c1-3",
      wish,
    );
    expect(answers).toEqual(["200 c7i.large", "401"]);
  });

  test("gives tokens only for a time of 1 to 21600 seconds, by PUT and not through a proxy", async () => {
    const put = (...headers: string[]) => `imds PUT /latest/api/token ${headers.join(" ")} | cut -c1-3`;
    const seconds = (value: number | string) => `X-aws-ec2-metadata-token-ttl-seconds=${value}`;
    const answers = await ask(
      [
        put(),
        put(seconds(0)),
        put(seconds(21_601)),
        put(seconds("x")),
        put(seconds(1)),
        put(seconds(21_600)),
        put(seconds(60), "X-Forwarded-For=1.2.3.4"),
        "imds GET /latest/api/token | cut -c1-3",
        "imds POST /latest/meta-data/ | cut -c1-3",
      ].join("\n"),
    );
    expect(answers.filter(Boolean)).toEqual(["400", "400", "400", "400", "200", "200", "403", "405", "405"]);
  });

  test("is forbidden where it is disabled, and then nothing runs", async () => {
    const machine = await launch(machines, "echo here", { metadata: { endpoint: "disabled" } });
    const other = await launch(machines, "sleep 0.5; poweroff");
    await other.ended;
    expect(machine.console()).not.toContain("here");
    await machine.kill();
  });

  test("tells a machine who and where it is", async () => {
    const wanted = order(machines, {
      zone: "eu-west-1c",
      region: "eu-west-1",
      tags: { "tinderbox:pool": "a b", x: "1" },
    });
    const paths = [
      "instance-id",
      "local-ipv4",
      "instance-type",
      "ami-id",
      "placement/region",
      "placement/availability-zone",
      "hostname",
    ];
    const answers = await ask(
      [
        ...paths.map((path) => `get meta-data/${path}`),
        "get meta-data/tags/instance | cut -c1-3",
        "get meta-data/iam/info | cut -c1-3",
        "cat /sys/class/net/eth0/address",
        "get meta-data/mac",
      ].join("\n"),
      wanted,
    );
    const mac = answers.at(-2);
    expect(answers).toEqual([
      `200 ${wanted.id}`,
      `200 ${wanted.privateIp}`,
      "200 c7i.large",
      "200 ami-0123456789abcdef0",
      "200 eu-west-1",
      "200 eu-west-1c",
      `200 ip-${wanted.privateIp.replaceAll(".", "-")}.eu-west-1.compute.internal`,
      "404",
      "404",
      mac,
      `200 ${mac}`,
    ]);
  });

  test("lists its folders, with or without a slash, by date or latest", async () => {
    const wish = { role: "worker", metadata: { tags: true }, tags: { "tinderbox:pool": "a b", Name: "n" } };
    const answers = await ask(
      `get "" | tr '\\n' ' '; echo; get meta-data/placement/ | tr '\\n' ' '; echo; get meta-data/placement | tr '\\n' ' '; echo
       get meta-data/tags/instance/ | tr '\\n' ' '; echo; get meta-data/tags/instance/tinderbox:pool; get meta-data/iam | tr '\\n' ' '; echo
       get meta-data/iam/security-credentials/; imds GET /2021-03-23/meta-data/local-ipv4 X-aws-ec2-metadata-token=$TOKEN | cut -c1-7
       get meta-data/nothing | cut -c1-3; get meta-data/local-ipv4/below | cut -c1-3; imds GET /2021-03 X-aws-ec2-metadata-token=$TOKEN | cut -c1-3`,
      wish,
    );
    const placement = "200 availability-zone availability-zone-id region ";
    expect(answers).toEqual([
      "200 dynamic/ meta-data/ user-data ",
      placement,
      placement,
      "200 Name tinderbox:pool ",
      "200 a b",
      "200 info security-credentials/ ",
      "200 worker",
      "200 10.",
      "404",
      "404",
      "404",
    ]);
  });

  test("gives the user data byte for byte", async () => {
    const tail = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const script = `#!/bin/bash\n${client}\necho "<<output"; python3 -IS -c '
import http.client, hashlib, sys
c = http.client.HTTPConnection("169.254.169.254"); c.request("GET", "/latest/user-data", headers={"X-aws-ec2-metadata-token": sys.argv[1]})
print(hashlib.sha256(c.getresponse().read()).hexdigest())' $(token); echo ">>"; poweroff; exit\n`;
    const userData = Buffer.concat([Buffer.from(script), tail]);
    const machine = await machines.launch(order(machines, { userData }));
    const { createHash } = await import("node:crypto");
    expect(await said(machine, "output")).toBe(createHash("sha256").update(userData).digest("hex"));
    await machine.ended;
  });

  test("signs who the machine is", async () => {
    const wanted = order(machines, { instanceType: "t3.micro" });
    const below = "dynamic/instance-identity";
    const text = await output(
      machines,
      `${client}\nfor one in document signature pkcs7 rsa2048; do echo "[$one"; get ${below}/$one | sed '1s/^200 //'; echo "]"; done`,
      wanted,
    );
    const part = (name: string) => new RegExp(`\\[${name}\\n([^\\]]*?)\\n\\]`).exec(text)?.[1] ?? "";
    const document = part("document");
    expect(JSON.parse(document)).toMatchObject({
      instanceId: wanted.id,
      instanceType: "t3.micro",
      privateIp: wanted.privateIp,
      accountId: "123456789012",
      region: "us-east-1",
      availabilityZone: "us-east-1a",
      version: "2017-09-30",
    });
    const certificate = new X509Certificate(machines.certificate);
    const signature = Buffer.from(part("signature"), "base64");
    expect(verify("sha256", Buffer.from(document), certificate.publicKey, signature)).toBe(true);
    expect(verify("sha256", Buffer.from(document.replace(wanted.id, "i-0")), certificate.publicKey, signature)).toBe(
      false,
    );
    expect(certificate.verify(certificate.publicKey)).toBe(true);

    const folder = mkdtempSync(join(tmpdir(), "identity-"));
    writeFileSync(join(folder, "certificate.pem"), machines.certificate);
    for (const name of ["pkcs7", "rsa2048"]) {
      const enveloped = `-----BEGIN PKCS7-----\n${part(name)}\n-----END PKCS7-----\n`;
      writeFileSync(join(folder, name), enveloped);
      const args = [
        "smime",
        "-verify",
        "-in",
        name,
        "-inform",
        "PEM",
        "-certfile",
        "certificate.pem",
        "-noverify",
        "-nointern",
      ];
      try {
        const options = { cwd: folder, encoding: "utf8", stdio: "pipe" } as const;
        expect(execFileSync("openssl", args, options).replaceAll("\r", "")).toBe(document);
        const forged = enveloped.replace(
          /\n(.)(.*)\n-----END/,
          (_, first, rest) => `\n${first === "A" ? "B" : "A"}${rest}\n-----END`,
        );
        writeFileSync(join(folder, name), forged);
        expect(() => execFileSync("openssl", args, options)).toThrow(/Verification failure/i);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        console.warn("SKIPPED: the check of PKCS #7 signatures: there is no openssl here");
      }
    }
  });

  test("asks for credentials of the role once, and again when they are about to end", async () => {
    issued.length = 0;
    lifeMs = 3_600_000;
    const look = "get meta-data/iam/security-credentials/worker | tr -d '\\n '; echo";
    const wanted = order(machines, { role: "worker" });
    const [first = "", second] = await ask(`${look}\n${look}`, wanted);
    expect(second).toBe(first);
    expect(issued).toEqual([{ role: "worker", id: wanted.id }]);
    const { Code, Type, AccessKeyId, Token, Expiration } = JSON.parse(first.slice(3)) as Record<string, string>;
    expect([Code, Type, AccessKeyId, Token]).toEqual(["Success", "AWS-HMAC", "ASIA1", "token"]);
    expect(Math.abs(Date.parse(Expiration ?? "") - Date.now() - lifeMs)).toBeLessThan(10_000);
    lifeMs = 1_000;
    const id = "python3 -IS -c 'import sys, json; print(json.loads(sys.stdin.read()[4:])[\"AccessKeyId\"])'";
    const keys = await ask(
      `ask() { get meta-data/iam/security-credentials/worker | ${id}; }\nfirst=$(ask); echo $first; until now=$(ask); [ $now != $first ]; do sleep 0.1; done; echo $now`,
      { role: "worker" },
    );
    expect(keys).toEqual(["ASIA2", "ASIA3"]);
  });

  test("has none for another role, for none, and where they cannot be issued", async () => {
    const look = (role: string) => `get meta-data/iam/security-credentials/${role} | cut -c1-3 | head -1`;
    expect(await ask(`${look("other")}\nget meta-data/iam/info | tr -d '\\n '`, { role: "worker" })).toEqual([
      "404",
      expect.stringContaining('"InstanceProfileArn":"arn:aws:iam::123456789012:instance-profile/worker"'),
    ]);
    expect(await ask(look("none"), { role: "none" })).toEqual(["404"]);
    expect(await ask(look("broken"), { role: "broken" })).toEqual(["500"]);
    expect(await ask(look("worker"))).toEqual(["404"]);
  });

  test("tells of an interruption when there is one", async () => {
    const machine = await launch(
      machines,
      `${client}
      all() { for path in spot/instance-action spot/termination-time events/recommendations/rebalance; do get meta-data/$path | head -1; done; }
      echo "<<before"; all | cut -c1-3; echo ">>"
      until get meta-data/spot/instance-action | grep -q ^200; do sleep 0.05; done
      echo "<<after"; all; echo ">>"`,
    );
    expect(await said(machine, "before")).toBe("404\n404\n404");
    machine.spotNotice(Date.UTC(2030, 1, 2, 3, 4, 5));
    const [action, time, rebalance = ""] = (await said(machine, "after")).split("\n");
    expect(action).toBe('200 {"action":"terminate","time":"2030-02-02T03:04:05Z"}');
    expect(time).toBe("200 2030-02-02T03:04:05Z");
    const { noticeTime } = JSON.parse(rebalance.slice(4)) as { noticeTime: string };
    expect(Math.abs(Date.parse(noticeTime) - Date.now())).toBeLessThan(10_000);
    await machine.kill();
  });

  test.each([1, 3])("lets its answers travel over %d hops", async (hopLimit) => {
    // The time to live of what comes from port 80, as it arrives.
    const sniff = `python3 -IS - <<'PYTHON'
import http.client, socket
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
connection = http.client.HTTPConnection("169.254.169.254", 80, timeout=3)
connection.request("GET", "/latest/")
connection.getresponse().read()
seen = set()
raw.settimeout(0.2)
try:
    while True:
        packet = raw.recv(65535)[14:]
        if packet[12:16] == bytes([169, 254, 169, 254]) and packet[9] == 6:
            seen.add(packet[8])
except TimeoutError:
    print(*seen)
PYTHON`;
    expect(await output(machines, sniff, { metadata: { hopLimit } })).toBe(String(hopLimit));
  });

  test("knows no machine that has ended", async () => {
    const wanted = order(machines, { tags: {} });
    expect(await ask("get meta-data/instance-id", wanted)).toEqual([`200 ${wanted.id}`]);
    const later = { ...order(machines), privateIp: wanted.privateIp };
    expect(await ask("get meta-data/instance-id", later)).toEqual([`200 ${later.id}`]);
  });
});
