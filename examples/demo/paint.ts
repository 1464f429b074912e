/**
 * Paints the pictures of the demo, by arithmetic alone: `node examples/demo/paint.ts`. They are committed, so nobody
 * needs to run this; it is here to say where they come from.
 */
import { writeFileSync } from "node:fs";
import { encodePng } from "./png.ts";

type Colour = readonly [red: number, green: number, blue: number];
/** Colour, 0 to 1, at a point; x and y go from -1 to 1, x a little further because pictures are wide. */
type Painting = (x: number, y: number) => Colour;

const width = 720;
const height = 480;
const tau = 2 * Math.PI;

const clamp = (value: number): number => Math.min(1, Math.max(0, value));
const mix = (a: Colour, b: Colour, t: number): Colour => [
  a[0] + (b[0] - a[0]) * t,
  a[1] + (b[1] - a[1]) * t,
  a[2] + (b[2] - a[2]) * t,
];
const step = (from: number, to: number, value: number): number => {
  const t = clamp((value - from) / (to - from));
  return t * t * (3 - 2 * t);
};
const ramp = (stops: readonly Colour[], t: number): Colour => {
  const at = clamp(t) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(at));
  return mix(stops[below]!, stops[below + 1]!, at - below);
};
const random = (x: number, y: number): number => {
  const value = Math.sin(x * 127.1 + y * 311.7) * 43758.5453;
  return value - Math.floor(value);
};
const noise = (x: number, y: number): number => {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [u, v] = [step(0, 1, x - left), step(0, 1, y - top)];
  const upper = random(left, top) * (1 - u) + random(left + 1, top) * u;
  const lower = random(left, top + 1) * (1 - u) + random(left + 1, top + 1) * u;
  return upper * (1 - v) + lower * v;
};
const hills = (x: number, octaves: number): number => {
  let sum = 0;
  for (let octave = 0; octave < octaves; octave++) sum += noise(x * 2 ** octave, octave * 7) / 2 ** (octave + 1);
  return sum;
};

function mandelbrot(x: number, y: number): Colour {
  const [real, imaginary] = [-0.7436 + x * 0.014, 0.1318 + y * 0.014];
  let [a, b, count] = [0, 0, 0];
  while (a * a + b * b < 64 && count < 400) [a, b, count] = [a * a - b * b + real, 2 * a * b + imaginary, count + 1];
  if (count === 400) return [0.02, 0.02, 0.08];
  const smooth = count - Math.log2(Math.log2(a * a + b * b));
  return ramp(
    [
      [0.02, 0.05, 0.2],
      [0.1, 0.4, 0.7],
      [0.95, 0.9, 0.7],
      [0.9, 0.45, 0.1],
      [0.3, 0.05, 0.1],
      [0.02, 0.05, 0.2],
    ],
    (smooth / 60) % 1,
  );
}

function dusk(x: number, y: number): Colour {
  const sun = Math.hypot(x + 0.35, y - 0.12);
  let colour = ramp(
    [
      [0.12, 0.1, 0.3],
      [0.5, 0.2, 0.45],
      [0.95, 0.5, 0.35],
      [1, 0.8, 0.5],
    ],
    (y + 1) / 1.5,
  );
  colour = mix([1, 0.95, 0.8], colour, step(0.1, 0.12, sun));
  colour = mix(colour, [1, 0.7, 0.4], 0.35 * (1 - step(0.1, 0.8, sun)));
  for (const [layer, shade] of [0.55, 0.4, 0.25, 0.1].entries()) {
    const ridge = 0.15 + layer * 0.24 - hills(x * (1 + layer * 0.5) + layer * 19, 6) * (0.7 - layer * 0.1);
    colour = mix(colour, [shade * 0.6, shade * 0.35, shade * 0.75], step(ridge, ridge + 0.01, y));
  }
  return colour;
}

function spheres(x: number, y: number): Colour {
  const light = [-0.5, -0.7, 0.5];
  let [colour, nearest]: [Colour, number] = [
    ramp(
      [
        [0.85, 0.88, 0.9],
        [0.55, 0.6, 0.68],
      ],
      (y + 1) / 2,
    ),
    -Infinity,
  ];
  const balls: readonly (readonly [number, number, number, Colour])[] = [
    [-0.75, 0.15, 0.5, [0.85, 0.2, 0.2]],
    [0.1, -0.2, 0.42, [0.15, 0.45, 0.85]],
    [0.8, 0.3, 0.55, [0.95, 0.75, 0.15]],
    [0.05, 0.55, 0.3, [0.2, 0.65, 0.35]],
  ];
  for (const [cx, cy, radius, paint] of balls) {
    const [dx, dy] = [(x - cx) / radius, (y - cy) / radius];
    const depth = 1 - dx * dx - dy * dy;
    if (depth < 0 || Math.sqrt(depth) * radius < nearest) continue;
    nearest = Math.sqrt(depth) * radius;
    const facing = Math.max(0, dx * light[0]! + dy * light[1]! + Math.sqrt(depth) * light[2]!);
    colour = mix(mix([0.04, 0.03, 0.08], paint, 0.25 + facing * 0.8), [1, 1, 1], facing ** 24 * 0.9);
  }
  return colour;
}

function glass(x: number, y: number): Colour {
  const cells = 5;
  let [first, second, tint] = [9, 9, 0];
  const [px, py] = [(x + 2) * cells * 0.5, (y + 2) * cells * 0.5];
  for (let j = -1; j <= 1; j++) {
    for (let i = -1; i <= 1; i++) {
      const [cx, cy] = [Math.floor(px) + i, Math.floor(py) + j];
      const distance = Math.hypot(cx + random(cx, cy) - px, cy + random(cy, cx + 9) - py);
      if (distance < first) [first, second, tint] = [distance, first, random(cx + 3, cy + 5)];
      else if (distance < second) second = distance;
    }
  }
  const pane = ramp(
    [
      [0.05, 0.2, 0.6],
      [0.1, 0.55, 0.55],
      [0.9, 0.75, 0.2],
      [0.8, 0.2, 0.15],
      [0.5, 0.1, 0.45],
    ],
    tint,
  );
  return mix([0.06, 0.05, 0.05], mix(pane, [1, 1, 0.95], 0.3 * (1 - clamp(first))), step(0.04, 0.09, second - first));
}

function newton(x: number, y: number): Colour {
  let [a, b, turns] = [x * 1.4, y * 1.4, 0];
  for (; turns < 40; turns++) {
    const [a2, b2] = [a * a - b * b, 2 * a * b];
    const [a3, b3] = [a2 * a - b2 * b - 1, a2 * b + b2 * a];
    const size = 3 * (a2 * a2 + b2 * b2) || 1e-9;
    const [da, db] = [(a3 * a2 + b3 * b2) / size, (b3 * a2 - a3 * b2) / size];
    [a, b] = [a - da, b - db];
    if (da * da + db * db < 1e-9) break;
  }
  const roots: readonly Colour[] = [
    [0.95, 0.6, 0.2],
    [0.2, 0.6, 0.6],
    [0.55, 0.3, 0.65],
  ];
  const root = Math.round((Math.atan2(b, a) / tau) * 3 + 3) % 3;
  return mix(roots[root]!, [0.05, 0.03, 0.1], clamp(turns / 18));
}

function waves(x: number, y: number): Colour {
  const lift = Math.sin(x * 5 + Math.sin(y * 4) * 1.5) * 0.5 + Math.sin(Math.hypot(x - 0.5, y + 0.3) * 14) * 0.5;
  return ramp(
    [
      [0, 0.12, 0.25],
      [0, 0.35, 0.5],
      [0.2, 0.7, 0.7],
      [0.9, 0.97, 0.9],
    ],
    (lift + 1) / 2,
  );
}

function marble(x: number, y: number): Colour {
  const cloud = noise(x * 3 + 9, y * 3) + noise(x * 6, y * 6 + 4) / 2 + noise(x * 12, y * 12) / 4;
  const vein = Math.abs(Math.sin((x + y * 0.6 + cloud * 1.3) * 4));
  return ramp(
    [
      [0.12, 0.2, 0.18],
      [0.45, 0.6, 0.52],
      [0.85, 0.9, 0.84],
      [0.97, 0.97, 0.93],
    ],
    vein ** 0.6,
  );
}

function julia(x: number, y: number): Colour {
  let [a, b, count] = [x * 1.15, y * 1.15, 0];
  while (a * a + b * b < 64 && count < 200) [a, b, count] = [a * a - b * b - 0.79, 2 * a * b + 0.15, count + 1];
  const smooth = count === 200 ? 0 : count - Math.log2(Math.log2(a * a + b * b));
  return ramp(
    [
      [0.07, 0.02, 0.1],
      [0.4, 0.05, 0.35],
      [0.95, 0.35, 0.3],
      [1, 0.9, 0.6],
    ],
    Math.sqrt(Math.max(0, smooth) / 90),
  );
}

const paintings: Readonly<Record<string, Painting>> = {
  dusk,
  glass,
  julia,
  mandelbrot,
  marble,
  newton,
  spheres,
  waves,
};

for (const [name, paint] of Object.entries(paintings)) {
  const rgb = new Uint8Array(width * height * 3);
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    let sum: Colour = [0, 0, 0];
    for (const [dx, dy] of [
      [0.25, 0.25],
      [0.75, 0.25],
      [0.25, 0.75],
      [0.75, 0.75],
    ] as const) {
      const part = paint(((x + dx) * 2 - width) / height, ((y + dy) * 2 - height) / height);
      sum = [sum[0] + part[0], sum[1] + part[1], sum[2] + part[2]];
    }
    // 64 shades a channel: the eye hardly sees it, and the files are half as big.
    rgb.set(
      sum.map((value) => Math.round(clamp(value / 4) * 63) * 4 + 2),
      at * 3,
    );
  }
  const file = new URL(`images/${name}.png`, import.meta.url);
  const bytes = encodePng({ width, height, rgb });
  writeFileSync(file, bytes);
  console.log(`${name}.png`, `${Math.round(bytes.length / 1024)} KB`);
}
