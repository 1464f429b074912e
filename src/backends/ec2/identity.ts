/** Whether a machine is the instance that it says it is: by the document that EC2 signs for each, and gives to nobody else. */
import { type KeyObject, verify, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Claim } from "../../ports/gate.ts";
import { show } from "../../options.ts";

const one = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Of certificates in PEM, or in files. Throws `TypeError` for what is none that can have signed a document. */
export function readKeys(given: readonly string[]): readonly KeyObject[] {
  return given.flatMap((entry) => {
    const found = textOf(entry).match(one);
    if (!found) throw unusable(entry, "there is no certificate in it");
    return found.map((text) => keyOf(text, entry));
  });
}

/** Why it cannot be believed; undefined when it has to be. `account` is undefined where that is not known: no id is given twice. */
export function doubtOf(
  keys: readonly KeyObject[],
  { instance, identity }: Pick<Claim, "instance" | "identity">,
  expected: { readonly account: string | undefined; readonly region: string },
): string | undefined {
  if (!identity) return "it shows no identity document";
  const document = Buffer.from(identity.document);
  const signature = Buffer.from(identity.signature, "base64");
  if (!keys.some((key) => verify("sha256", document, key, signature)))
    return "none of the certificates has signed its identity document";
  const { instanceId, region, accountId } = factsOf(identity.document);
  if (instanceId !== instance) return `its identity document is that of ${show(instanceId)}`;
  if (region !== expected.region) return `its identity document is of region ${show(region)}, not ${expected.region}`;
  if (expected.account !== undefined && accountId !== expected.account)
    return `its identity document is of account ${show(accountId)}, not ${expected.account}`;
  return undefined;
}

/** What is signed is written by EC2; it is read with care all the same. */
function factsOf(document: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(document)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function textOf(entry: string): string {
  if (entry.includes("-----BEGIN")) return entry;
  try {
    return readFileSync(entry, "utf8");
  } catch (cause) {
    throw unusable(entry, "it is neither PEM nor a file that can be read", cause);
  }
}

function keyOf(text: string, entry: string): KeyObject {
  let key: KeyObject;
  try {
    key = new X509Certificate(text).publicKey;
  } catch (cause) {
    throw unusable(entry, "it cannot be read", cause);
  }
  if (key.asymmetricKeyType === "rsa") return key;
  throw unusable(entry, `it is of ${key.asymmetricKeyType}; the one of RSA is wanted`);
}

function unusable(entry: string, why: string, cause?: unknown): TypeError {
  const text = `Cannot use ${show(entry.trim())} in option "identityCertificates" of ec2: ${why}; AWS publishes them for each region`;
  return new TypeError(text, cause === undefined ? undefined : { cause });
}
