import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { doubtOf, readKeys } from "../../../src/backends/ec2/identity.ts";
import { resolveEc2Options } from "../../../src/backends/ec2/options.ts";
import { newCertificate } from "../../../src/transport/certificate.ts";
import { identityOf, makeIdentityKeys } from "../../harness/cloud/machines/identity.ts";
import type { LaunchOrder } from "../../harness/cloud/machine-host.ts";

const ours = await makeIdentityKeys();
const theirs = await makeIdentityKeys();
const keys = readKeys([ours.certificate]);
const expected = { account: "123456789012", region: "eu-central-1" };
const order = {
  id: "i-0123456789abcdef0",
  accountId: expected.account,
  region: expected.region,
  zone: "eu-central-1a",
  architecture: "x86_64",
  imageId: "ami-1",
  instanceType: "c6i.large",
  privateIp: "10.0.0.4",
} as LaunchOrder;

function shown(changes: Partial<LaunchOrder> = {}, by = ours): { document: string; signature: string } {
  const { document = "", signature = "" } = identityOf({ ...order, ...changes }, Date.now(), by);
  return { document, signature };
}

const doubt = (identity: { document: string; signature: string } | undefined, more: Partial<typeof expected> = {}) =>
  doubtOf(keys, { instance: order.id, identity }, { ...expected, ...more });

test("the document that EC2 has signed for that very instance is believed, with any of the certificates", () => {
  expect(doubt(shown())).toBeUndefined();
  const several = readKeys([theirs.certificate, `${theirs.certificate}\n${ours.certificate}`]);
  expect(several).toHaveLength(3);
  expect(doubtOf(several, { instance: order.id, identity: shown() }, expected)).toBeUndefined();
  // EC2 does not say whose account it is in each answer.
  expect(doubtOf(keys, { instance: order.id, identity: shown() }, { ...expected, account: undefined })).toBeUndefined();
});

test.each([
  ["no document", undefined, "it shows no identity document"],
  ["that of another instance", shown({ id: "i-0fedcba9876543210" }), 'it is that of "i-0fedcba9876543210"'],
  ["one of another region", shown({ region: "us-east-1" }), 'of region "us-east-1", not eu-central-1'],
  ["one of another account", shown({ accountId: "999999999999" }), 'of account "999999999999", not 123456789012'],
  ["one that somebody else has signed", shown({}, theirs), "none of the certificates has signed"],
  ["one with a cut signature", { ...shown(), signature: shown().signature.slice(0, -10) }, "none of the certificates"],
  ["one without a signature", { ...shown(), signature: "" }, "none of the certificates has signed"],
  ["one with the signature of another", { ...shown(), signature: shown({ id: "i-1" }).signature }, "none of the"],
  ["one with a letter changed", { ...shown(), document: shown().document.replace("10.0.0.4", "10.0.0.5") }, "none of"],
  ["one with a space more", { ...shown(), document: `${shown().document} ` }, "none of the certificates has signed"],
])("%s is not", (_name, identity, why) => {
  expect(doubt(identity)).toContain(why.replace("it is that", "its identity document is that"));
});

test("what is signed, and is no document of an instance, is not believed either", () => {
  const key = createPrivateKey(ours.privateKey);
  for (const document of ["", "null", "[]", "7", "{", `{"instanceId":["${order.id}"]}`]) {
    const signature = sign("sha256", Buffer.from(document), key).toString("base64");
    expect(doubt({ document, signature })).toMatch(/its identity document is that of/);
  }
});

test("certificates are given as text or as files", () => {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "region.pem");
  writeFileSync(file, `Some words before it\n${ours.certificate}`);
  const [key] = readKeys([file]);
  expect(key!.equals(keys[0]!)).toBe(true);
  writeFileSync(file, "none");
  expect(() => readKeys([file])).toThrow(/there is no certificate in it; AWS publishes them for each region$/);
});

test.each([
  ["a file that is not there", "/nowhere/region.pem", "it is neither PEM nor a file that can be read"],
  ["a broken one", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "it cannot be read"],
  [
    "a key",
    generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString(),
    "there is no certificate in it",
  ],
])("%s is refused, by the name of the option", (_name, given, why) => {
  expect(() => readKeys([given])).toThrow(TypeError);
  expect(() => readKeys([given])).toThrow(new RegExp(`in option "identityCertificates" of ec2: ${why}`));
});

test("a certificate that cannot have signed documents is refused: EC2 has several of each region", async () => {
  const { cert } = await newCertificate();
  expect(() => readKeys([cert])).toThrow(/it is of ec; the one of RSA is wanted/);
});

test("the option is a list of them, and is left out where tickets are enough", () => {
  const base = { image: "ami-1", subnets: ["s"], release: { bucket: "b" } };
  expect(resolveEc2Options(base).identityKeys).toBeUndefined();
  expect(resolveEc2Options({ ...base, identityCertificates: [ours.certificate] }).identityKeys).toHaveLength(1);
  for (const wrong of [[], "", ours.certificate, [7], null])
    expect(() => resolveEc2Options({ ...base, identityCertificates: wrong as never })).toThrow(/identityCertificates/);
});
