/** Certificates that say nothing but a key: who is meant is told by fingerprint. */
import { createHash, generateKeyPair, sign, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

export interface Certificate {
  /** Both as PEM. */
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the certificate's bytes, 64 hexadecimal digits. */
  readonly fingerprint: string;
}

const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
const commonName = "2.5.4.3";

/** Makes a key on P-256 and a certificate for it that is its own issuer. The key is only ever in this process's memory. */
export async function newCertificate(): Promise<Certificate> {
  // Forty milliseconds to load, for those alone who have machines elsewhere.
  const [x509, { AsnConvert }] = await Promise.all([import("@peculiar/asn1-x509"), import("@peculiar/asn1-schema")]);
  const { publicKey, privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const algorithm = new x509.AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const value = new x509.AttributeValue({ utf8String: "tinderbox" });
  const name = new x509.Name([
    new x509.RelativeDistinguishedName([new x509.AttributeTypeAndValue({ type: commonName, value })]),
  ]);
  const spki = publicKey.export({ type: "spki", format: "der" });
  const tbsCertificate = new x509.TBSCertificate({
    version: x509.Version.v3,
    // Positive, and of its full length. Not random: the key is, and no two certificates have the same.
    serialNumber: Uint8Array.from([0x40, ...createHash("sha256").update(spki).digest().subarray(0, 15)]).buffer,
    signature: algorithm,
    issuer: name,
    subject: name,
    // No clock is trusted: a certificate lasts as long as its process, and is known by its fingerprint alone.
    validity: new x509.Validity({
      notBefore: new Date("2020-01-01T00:00:00Z"),
      notAfter: new Date("9999-12-31T23:59:59Z"),
    }),
    subjectPublicKeyInfo: AsnConvert.parse(spki, x509.SubjectPublicKeyInfo),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), privateKey);
  const certificate = new x509.Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: Uint8Array.from(signature).buffer,
  });
  const raw = Buffer.from(AsnConvert.serialize(certificate));
  const lines = raw.toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    fingerprint: fingerprintOf(raw),
  };
}

/** SHA-256 of a certificate's bytes (DER), 64 hexadecimal digits. */
export function fingerprintOf(certificate: Uint8Array): string {
  return createHash("sha256").update(certificate).digest("hex");
}

/** Whether both are the same fingerprint, in a time that does not tell how much of them is. */
export function sameFingerprint(left: string, right: string): boolean {
  const [a, b] = [left, right].map((text) => Buffer.from(text.toLowerCase(), "hex"));
  return a!.length === 32 && b!.length === 32 && timingSafeEqual(a!, b!);
}
