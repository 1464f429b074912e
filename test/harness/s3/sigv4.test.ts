import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { type ChecksumName, digestOf } from "./checksums.ts";
import { type S3Server, startS3 } from "./server.ts";
import {
  type CanonicalRequest,
  chunkSignature,
  requestSignature,
  scopeText,
  sha256Hex,
  signingKey,
  trailerSignature,
} from "./sigv4.ts";

// The examples of the S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
const scope = { date: "20130524", region: "us-east-1", service: "s3" };
const timestamp = "20130524T000000Z";
const key = signingKey("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", scope);
const large = [sha256Hex(Buffer.alloc(65_536, "a")), sha256Hex(Buffer.alloc(1024, "a")), sha256Hex("")];

function streamed(headers: CanonicalRequest["headers"]): CanonicalRequest {
  const payload = headers.find(([name]) => name === "x-amz-content-sha256")?.[1] ?? "";
  return { method: "PUT", path: "/examplebucket/chunkObject.txt", query: [], headers, payload };
}

describe("signatures are those of the S3 reference", () => {
  test("of a GET with a range", () => {
    const payload = sha256Hex("");
    const headers = [
      ["host", "examplebucket.s3.amazonaws.com"],
      ["range", "bytes=0-9"],
      ["x-amz-content-sha256", payload],
      ["x-amz-date", timestamp],
    ] as const;
    const request = { method: "GET", path: "/test.txt", query: [], headers, payload };
    expect(requestSignature(key, timestamp, scopeText(scope), request)).toBe(
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
  });

  test("of a list with a query", () => {
    const payload = sha256Hex("");
    const headers = [
      ["host", "examplebucket.s3.amazonaws.com"],
      ["x-amz-content-sha256", payload],
      ["x-amz-date", timestamp],
    ] as const;
    const query = [
      ["prefix", "J"],
      ["max-keys", "2"],
    ] as const;
    expect(
      requestSignature(key, timestamp, scopeText(scope), { method: "GET", path: "/", query, headers, payload }),
    ).toBe("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  });

  test("of chunks", () => {
    const request = streamed([
      ["content-encoding", "aws-chunked"],
      ["content-length", "66824"],
      ["host", "s3.amazonaws.com"],
      ["x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"],
      ["x-amz-date", timestamp],
      ["x-amz-decoded-content-length", "66560"],
      ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
    ]);
    const seed = requestSignature(key, timestamp, scopeText(scope), request);
    const signing = { key, timestamp, scope: scopeText(scope), seed };
    const chain = [seed];
    for (const hash of large) chain.push(chunkSignature(signing, chain.at(-1) ?? "", hash));
    expect(chain).toEqual([
      "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
      "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
      "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
      "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
  });
});

test.for<[ChecksumName, string]>([
  ["crc32", "cbf43926"],
  ["crc32c", "e3069283"],
  ["crc64nvme", "ae8b14860a799888"],
  ["sha1", createHash("sha1").update("123456789").digest("hex")],
])("the %s of 123456789 is %s", ([name, value]) => {
  expect(digestOf(name, Buffer.from("1234"), Buffer.from("56789")).toString("hex")).toBe(value);
});

interface Streamed {
  readonly trailer: boolean;
  /** Spoils what is sent after it has been signed. */
  readonly spoil?: (body: string) => string;
}

/** Sends an object in signed chunks, which the JavaScript SDK does not do and others do. */
async function sendSigned(server: S3Server, { trailer, spoil = (body) => body }: Streamed): Promise<string> {
  const now = `${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
  const place = { date: now.slice(0, 8), region: server.region, service: "s3" };
  const own = signingKey(server.credentials.secretAccessKey, place);
  const chunks = ["a".repeat(8192), "b".repeat(10), ""];
  const url = new URL(`${server.endpoint}/test/streamed`);
  const headers: [string, string][] = [
    ["host", url.host],
    ["x-amz-content-sha256", `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailer ? "-TRAILER" : ""}`],
    ["x-amz-date", now],
    ["x-amz-decoded-content-length", String(chunks.join("").length)],
    ...(trailer ? [["x-amz-trailer", "x-amz-checksum-crc32"] as [string, string]] : []),
  ];
  const request = { method: "PUT", path: url.pathname, query: [], headers, payload: headers[1]?.[1] ?? "" };
  const seed = requestSignature(own, now, scopeText(place), request);
  const signing = { key: own, timestamp: now, scope: scopeText(place), seed };
  let previous = seed;
  let body = "";
  for (const chunk of chunks) {
    previous = chunkSignature(signing, previous, sha256Hex(chunk));
    body += `${chunk.length.toString(16)};chunk-signature=${previous}\r\n${chunk}${chunk === "" ? "" : "\r\n"}`;
  }
  if (trailer) {
    const value = digestOf("crc32", Buffer.from(chunks.join(""))).toString("base64");
    body += `x-amz-checksum-crc32:${value}\r\nx-amz-trailer-signature:${trailerSignature(signing, previous, [["x-amz-checksum-crc32", value]])}\r\n`;
  }
  const names = headers.map(([name]) => name).join(";");
  const authorization = `AWS4-HMAC-SHA256 Credential=${server.credentials.accessKeyId}/${scopeText(place)},SignedHeaders=${names},Signature=${seed}`;
  const init = {
    method: "PUT",
    headers: [...headers.slice(1), ["authorization", authorization]] as [string, string][],
    duplex: "half" as const,
  };
  // Pieces of no particular size, so that chunks are found wherever they begin.
  const text = Buffer.from(spoil(`${body}\r\n`));
  const pieces = Array.from({ length: Math.ceil(text.length / 777) }, (_, index) =>
    text.subarray(index * 777, (index + 1) * 777),
  );
  const response = await fetch(url, { ...init, body: Readable.toWeb(Readable.from(pieces)) } as RequestInit);
  const answer = await response.text();
  return response.ok ? "stored" : (/<Code>(\w+)/.exec(answer)?.[1] ?? answer);
}

describe.for([{ trailer: false }, { trailer: true }])("signed chunks, trailer: $trailer", ({ trailer }) => {
  test("are taken as they were signed", async () => {
    await using server = await startS3();
    expect(await sendSigned(server, { trailer })).toBe("stored");
    expect((await server.buckets.read("test", "streamed"))?.toString()).toBe("a".repeat(8192) + "b".repeat(10));
  });

  test.for<[what: string, spoil: (body: string) => string, code: string]>([
    ["a changed byte", (body) => body.replace("bbb", "bbc"), "SignatureDoesNotMatch"],
    ["a chunk without a signature", (body) => body.replace(/a;chunk-signature=\w+/, "a"), "SignatureDoesNotMatch"],
    ["a missing end", (body) => body.slice(0, 8000), "IncompleteBody"],
  ])("are refused with %s, and nothing is stored", async ([, spoil, code]) => {
    await using server = await startS3();
    expect(await sendSigned(server, { trailer, spoil })).toBe(code);
    expect(server.buckets.keys("test")).toEqual([]);
  });
});

test("a signed trailer is refused when it was changed", async () => {
  await using server = await startS3();
  const spoil = (body: string) => body.replace(/crc32:..../, "crc32:AAAA");
  expect(await sendSigned(server, { trailer: true, spoil })).toBe("SignatureDoesNotMatch");
  expect(server.buckets.keys("test")).toEqual([]);
});
