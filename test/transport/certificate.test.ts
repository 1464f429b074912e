import { X509Certificate, createPrivateKey, createPublicKey } from "node:crypto";
import { expect, test } from "vitest";
import { fingerprintOf, newCertificate, sameFingerprint } from "../../src/transport/certificate.ts";

test("a certificate is its own issuer, for a key on P-256, and says nothing else", async () => {
  const { cert, key, fingerprint } = await newCertificate();
  const certificate = new X509Certificate(cert);
  const publicKey = createPublicKey(createPrivateKey(key));
  expect(certificate.verify(publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect([certificate.subject, certificate.issuer]).toEqual(["CN=tinderbox", "CN=tinderbox"]);
  expect(publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  expect(fingerprint).toBe(fingerprintOf(certificate.raw));
  expect(certificate.fingerprint256.replaceAll(":", "").toLowerCase()).toBe(fingerprint);
  expect(certificate.validToDate.getUTCFullYear()).toBe(9999);
  expect(certificate.serialNumber).toMatch(/^40[0-9A-F]{30}$/);
});

test("no two are the same", async () => {
  const made = await Promise.all(Array.from({ length: 5 }, newCertificate));
  for (const field of ["cert", "key", "fingerprint"] as const) {
    expect(new Set(made.map((certificate) => certificate[field])).size).toBe(5);
  }
});

test("fingerprints are the same in any case, and never by a part or by nothing", () => {
  const one = "0123456789abcdef".repeat(4);
  expect(sameFingerprint(one, one.toUpperCase())).toBe(true);
  for (const other of ["", one.slice(2), `${one}00`, `1${one.slice(1)}`, `${one.slice(0, -1)}e`, "zz".repeat(32)]) {
    expect(sameFingerprint(one, other)).toBe(false);
    expect(sameFingerprint(other, one)).toBe(false);
  }
  expect(sameFingerprint("", "")).toBe(false);
});
