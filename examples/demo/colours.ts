/** What colours a picture is made of, and how it looks from far away. */
import type { Image } from "./png.ts";

export type Colour = readonly [red: number, green: number, blue: number];

/** A colour and how much of the picture is near it, 0 to 1. */
export interface Share {
  readonly colour: Colour;
  readonly share: number;
}

/** The colours that stand for all others with the least error, by k-means; the largest share first. */
export function palette({ rgb }: Image, count: number): Share[] {
  const pixels = rgb.length / 3;
  const centres = Array.from({ length: count }, (_, index) => [
    ...pixelAt(rgb, Math.floor(((index + 0.5) * pixels) / count)),
  ]);
  let sums: number[][] = [];
  for (let round = 0, moved = Infinity; round < 16 && moved > 1; round++) {
    sums = centres.map(() => [0, 0, 0, 0]);
    for (let at = 0; at < rgb.length; at += 3) {
      const [red, green, blue] = [rgb[at]!, rgb[at + 1]!, rgb[at + 2]!];
      let [nearest, least] = [0, Infinity];
      for (let index = 0; index < centres.length; index++) {
        const centre = centres[index]!;
        const distance = (red - centre[0]!) ** 2 + (green - centre[1]!) ** 2 + (blue - centre[2]!) ** 2;
        if (distance < least) [nearest, least] = [index, distance];
      }
      const sum = sums[nearest]!;
      sum[0]! += red;
      sum[1]! += green;
      sum[2]! += blue;
      sum[3]!++;
    }
    moved = 0;
    for (const [index, [red, green, blue, members]] of sums.entries()) {
      if (!members) continue;
      const next = [red! / members, green! / members, blue! / members];
      moved += Math.hypot(...next.map((value, channel) => value - centres[index]![channel]!));
      centres[index] = next;
    }
  }
  return centres
    .map(([red, green, blue], index) => ({
      colour: [Math.round(red!), Math.round(green!), Math.round(blue!)] as const,
      share: sums[index]![3]! / pixels,
    }))
    .toSorted((one, other) => other.share - one.share);
}

/** A smaller picture: each pixel is the mean of those that it stands for. */
export function shrink({ width, height, rgb }: Image, toWidth: number, toHeight: number): Image {
  const sums = new Float64Array(toWidth * toHeight * 3);
  const members = new Uint32Array(toWidth * toHeight);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = Math.floor((y * toHeight) / height) * toWidth + Math.floor((x * toWidth) / width);
      const from = (y * width + x) * 3;
      members[to]!++;
      for (let channel = 0; channel < 3; channel++) sums[to * 3 + channel]! += rgb[from + channel]!;
    }
  }
  return {
    width: toWidth,
    height: toHeight,
    rgb: Uint8Array.from(sums, (sum, at) => sum / members[Math.floor(at / 3)]!),
  };
}

export function pixelAt(rgb: Uint8Array, index: number): Colour {
  return [rgb[index * 3]!, rgb[index * 3 + 1]!, rgb[index * 3 + 2]!];
}
