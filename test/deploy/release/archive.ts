/** Archives byte by byte, as a friend or an enemy would make them. Nothing here is shared with what is tested. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Layer, LayerName, ReleaseManifest } from "../../../src/deploy/release/manifest.ts";
import type { StoreDriver } from "../../../src/ports/store.ts";

export interface Header {
  readonly name?: string;
  readonly prefix?: string;
  readonly type?: string;
  readonly body?: string | Buffer;
  /** What the header says, when that is not the truth. */
  readonly size?: string;
  readonly link?: string;
  readonly mode?: string;
  readonly magic?: string;
  readonly sum?: string;
}

export function member(header: Header = {}): Buffer {
  const {
    name = "a",
    prefix = "",
    type = "0",
    body = "",
    link = "",
    mode = "0000644",
    magic = "ustar\u000000",
  } = header;
  const bytes = Buffer.from(body);
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write(mode, 100);
  block.write("0000000", 108);
  block.write("0000000", 116);
  block.write(header.size ?? bytes.length.toString(8).padStart(11, "0"), 124, "latin1");
  block.write("00000000000", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write(magic, 257);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(header.sum ?? `${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([block, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

export function pax(...records: readonly (readonly [string, string])[]): Buffer {
  const body = records.map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const bytes = Buffer.byteLength(rest);
    const length = [1, 2, 3, 4, 5]
      .map((digits) => bytes + digits)
      .find((total) => String(total).length + bytes === total);
    return `${length}${rest}`;
  });
  return member({ name: "pax", type: "x", body: body.join("") });
}

export const end = Buffer.alloc(1024);

export const archive = (...parts: readonly Buffer[]): Buffer => gzipSync(Buffer.concat([...parts, end]));

export interface Figures {
  readonly unpackedBytes?: number;
  readonly entries?: number;
  readonly bytes?: number;
  readonly sha256?: string;
}

/** Puts a release into a store whose layer of the application is this archive. */
export async function releaseOf(driver: StoreDriver, app: Buffer, figures: Figures = {}): Promise<ReleaseManifest> {
  const put = async (name: LayerName, body: Buffer, given: Figures): Promise<Layer> => {
    const sha256 = createHash("sha256").update(body).digest("hex");
    await driver.put(`layers/${given.sha256 ?? sha256}.tar.gz`, body);
    const path = name === "node" ? "/opt/tinderbox/node" : "/srv/app";
    return { name, sha256, bytes: body.length, unpackedBytes: 1_000, entries: 1, path, ...given };
  };
  const empty = archive();
  const layers = [
    await put("node", empty, { unpackedBytes: 0, entries: 0 }),
    await put("dependencies", empty, { unpackedBytes: 0, entries: 0 }),
    await put("app", app, figures),
  ];
  return { format: 1, node: "v24.0.0", platform: "linux", arch: "x64", root: "/srv/app", layers, agent: "main.js" };
}
