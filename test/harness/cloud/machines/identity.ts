import { createPrivateKey, generateKeyPair, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import type { LaunchOrder } from "../machine-host.ts";
import { bits, type Der, field, identifier, integer, nothing, octets, sequence, set, text, time } from "./der.ts";

/** By which a cloud signs the identity documents of its machines; AWS has one such pair for each region. */
export interface IdentityKeys {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly privateKey: string;
}

const withRsa = sequence(identifier("1.2.840.113549.1.1.11"), nothing);
const rsa = sequence(identifier("1.2.840.113549.1.1.1"), nothing);
const sha256 = sequence(identifier("2.16.840.1.101.3.4.2.1"), nothing);
const dayMs = 86_400_000;

const name = (common: string): Der => sequence(set(sequence(identifier("2.5.4.3"), text(common))));

const pem = (label: string, der: Der) => `-----BEGIN ${label}-----\n${lines(der, 64)}-----END ${label}-----\n`;

function lines(bytes: Uint8Array, width: number): string {
  return Buffer.from(bytes)
    .toString("base64")
    .replaceAll(new RegExp(`.{1,${width}}`, "g"), "$&\n");
}

const issuer = name("test bench");

/** Makes a fresh RSA key with a certificate for it, signed by itself. */
export async function makeIdentityKeys(): Promise<IdentityKeys> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const now = Date.now();
  const content = sequence(
    field(0, integer(2)),
    integer(1),
    withRsa,
    issuer,
    sequence(time(new Date(now - dayMs)), time(new Date(now + 365 * dayMs))),
    issuer,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const certificate = sequence(content, withRsa, bits(sign("sha256", content, privateKey)));
  return {
    certificate: pem("CERTIFICATE", certificate),
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** PKCS #7 signed data with the document inside and without the certificate, as AWS gives it. */
function pkcs7(document: Buffer, key: KeyObject): Der {
  const signer = sequence(integer(1), sequence(issuer, integer(1)), sha256, rsa, octets(sign("sha256", document, key)));
  const data = sequence(identifier("1.2.840.113549.1.7.1"), field(0, octets(document)));
  const signed = sequence(integer(1), set(sha256), data, set(signer));
  return sequence(identifier("1.2.840.113549.1.7.2"), field(0, signed));
}

/**
 * What is below `dynamic/instance-identity`. Unlike AWS all signatures are made with one RSA key and SHA-256; there
 * `pkcs7` is by DSA and `signature` by a shorter key.
 */
export function identityOf(order: LaunchOrder, startedMs: number, keys: IdentityKeys): Record<string, string> {
  const facts = {
    accountId: order.accountId,
    architecture: order.architecture,
    availabilityZone: order.zone,
    billingProducts: null,
    devpayProductCodes: null,
    marketplaceProductCodes: null,
    imageId: order.imageId,
    instanceId: order.id,
    instanceType: order.instanceType,
    kernelId: null,
    pendingTime: new Date(startedMs).toISOString().replace(/\.\d+/, ""),
    privateIp: order.privateIp,
    ramdiskId: null,
    region: order.region,
    version: "2017-09-30",
  };
  const document = JSON.stringify(facts, undefined, 2);
  const key = createPrivateKey(keys.privateKey);
  const enveloped = lines(pkcs7(Buffer.from(document), key), 64).trimEnd();
  return {
    document,
    signature: lines(sign("sha256", Buffer.from(document), key), 76).trimEnd(),
    pkcs7: enveloped,
    rsa2048: enveloped,
  };
}
