/** PNG, the part of it that photographs use: eight bits a channel, RGB or RGBA, not interlaced. */
import { crc32, deflateSync, inflateSync } from "node:zlib";

export interface Image {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue of each pixel, row by row. */
  readonly rgb: Uint8Array;
}

const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");

export function decodePng(file: Uint8Array): Image {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!bytes.subarray(0, 8).equals(signature)) throw new TypeError("Cannot read the picture: it is not a PNG file");
  let [width, height, channels] = [0, 0, 3];
  const data: Buffer[] = [];
  for (let at = 8; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") {
      [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
      const [depth, colour, , , interlaced] = body.subarray(8);
      if (depth !== 8 || (colour !== 2 && colour !== 6) || interlaced) {
        throw new TypeError("Cannot read the picture: only plain RGB and RGBA with 8 bits are understood");
      }
      channels = colour === 6 ? 4 : 3;
    } else if (type === "IDAT") data.push(body);
    at += length + 12;
  }
  const rows = unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels);
  return { width, height, rgb: channels === 3 ? rows : withoutAlpha(rows) };
}

export function encodePng({ width, height, rgb }: Image): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const data = deflateSync(filter(rgb, width * 3, height), { level: 9 });
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(type: string, body: Uint8Array): Buffer {
  const whole = Buffer.concat([Buffer.alloc(4), Buffer.from(type, "latin1"), body, Buffer.alloc(4)]);
  whole.writeUInt32BE(body.length, 0);
  whole.writeUInt32BE(crc32(whole.subarray(4, -4)), whole.length - 4);
  return whole;
}

/** What a byte is predicted to be, by the byte to the left, the one above, and the one left of that. */
const predictors: readonly ((left: number, up: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  (left, up, corner) => {
    const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
    return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
  },
];

function unfilter(raw: Uint8Array, stride: number, height: number, channels: number): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const from = y * (stride + 1) + 1;
    const to = y * stride;
    const predict = predictors[raw[from - 1]!]!;
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : out[to + x - channels]!;
      const up = y === 0 ? 0 : out[to + x - stride]!;
      const corner = x < channels || y === 0 ? 0 : out[to + x - stride - channels]!;
      out[to + x] = raw[from + x]! + predict(left, up, corner);
    }
  }
  return out;
}

/** Each row by the predictor that leaves least to say. */
function filter(rgb: Uint8Array, stride: number, height: number): Uint8Array {
  const out = new Uint8Array((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    let least = Infinity;
    for (const [type, predict] of predictors.entries()) {
      const row = new Uint8Array(stride + 1);
      row[0] = type;
      let cost = 0;
      for (let x = 0; x < stride; x++) {
        const at = y * stride + x;
        const left = x < 3 ? 0 : rgb[at - 3]!;
        const up = y === 0 ? 0 : rgb[at - stride]!;
        const corner = x < 3 || y === 0 ? 0 : rgb[at - stride - 3]!;
        const rest = (rgb[at]! - predict(left, up, corner)) & 255;
        row[x + 1] = rest;
        cost += Math.min(rest, 256 - rest);
      }
      if (cost < least) {
        least = cost;
        out.set(row, y * (stride + 1));
      }
    }
  }
  return out;
}

function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) rgb.set(rgba.subarray(from, from + 3), to);
  return rgb;
}
