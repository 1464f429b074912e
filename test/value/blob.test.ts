import { openAsBlob } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CaptureError } from "../../src/errors.ts";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import { arrive, decodeHooks, encodeHooks } from "./classes.ts";

async function send(value: unknown): Promise<unknown> {
  const payload = encode(value, encodeHooks);
  await payload.pending;
  return decode(arrive(payload), decodeHooks);
}

test("a Blob arrives with its contents and type, shared as it was", async () => {
  const blob = new Blob(["héllo", new Uint8Array([0, 255])], { type: "text/plain" });
  const received = (await send({ blob, list: [blob], bytes: new Uint8Array([1]) })) as { blob: Blob; list: Blob[] };
  expect(received.blob).toBeInstanceOf(Blob);
  expect(received.blob.type).toBe("text/plain");
  expect(await received.blob.bytes()).toEqual(await blob.bytes());
  expect(received.list[0]).toBe(received.blob);
});

test("a File arrives with its name and date", async () => {
  const received = (await send(new File(["abc"], "a.txt", { type: "text/plain", lastModified: 5 }))) as File;
  expect(received).toBeInstanceOf(File);
  expect(received).toMatchObject({ name: "a.txt", type: "text/plain", lastModified: 5 });
  expect(await received.text()).toBe("abc");
});

test("an empty Blob needs no waiting", () => {
  const payload = encode(new Blob([]), encodeHooks);
  expect(payload.pending).toBeUndefined();
  expect((decode(payload, decodeHooks) as Blob).size).toBe(0);
});

test("several Blobs and large buffers beside each other keep their places", async () => {
  const parts = Array.from({ length: 5 }, (_, i) => [new Blob([`blob ${i}`]), Buffer.alloc(70_000, i)]);
  const received = (await send(parts)) as [Blob, Buffer][];
  for (const [i, [blob, buffer]] of received.entries()) {
    expect(await blob.text()).toBe(`blob ${i}`);
    expect(buffer).toEqual(Buffer.alloc(70_000, i));
  }
});

test("a Blob whose file is gone rejects with its path, and nobody has to listen", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tinderbox-blob-"));
  try {
    const file = join(folder, "a");
    await writeFile(file, "contents");
    const blob = await openAsBlob(file);
    await writeFile(file, "other contents");
    const { pending } = encode({ upload: blob }, encodeHooks);
    await expect(pending).rejects.toThrow(CaptureError);
    await expect(pending).rejects.toThrow(/^Cannot send value\.upload: its contents cannot be read; /);
    encode({ upload: blob }, encodeHooks);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("more Blobs than one message can name are refused before anything is sent", () => {
  const many = Array.from({ length: 8_193 }, () => new Blob(["x"]));
  expect(() => encode(many, encodeHooks)).toThrow("it holds 8193 Blobs and large buffers, 8192 travel at a time");
});
