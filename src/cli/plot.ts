/** Results over time as an SVG: three panels one below the other, a line for each strategy. */
import { formatDuration } from "../duration.ts";
import type { Result } from "./simulate-report.ts";

interface Panel {
  readonly title: string;
  /** A step each; what is missing at the end is 0. */
  readonly lines: readonly (readonly number[])[];
}

const width = 960;
const panelHeight = 180;
const margin = { left: 64, right: 24, top: 56, bottom: 64 };
const plotWidth = width - margin.left - margin.right;
/** Between panels; the title of the lower one stands in it. */
const gap = 44;
const legendRow = 22;
const legendColumns = 3;

/** Distinct on both backgrounds, also for those who see no difference between red and green. */
const colours: readonly [light: string, dark: string][] = [
  ["#c2410c", "#fb923c"],
  ["#1d4ed8", "#7ab2ff"],
  ["#0f766e", "#2dd4bf"],
  ["#a21caf", "#f0abfc"],
  ["#4d7c0f", "#bef264"],
  ["#57534e", "#d6d3d1"],
];

const style = `
  svg { font: 13px system-ui, sans-serif; }
  .ground { fill: #ffffff; } text { fill: #1f2328; } .soft { fill: #59636e; }
  .grid { stroke: #d8dee4; } .axis { stroke: #59636e; } .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
${colours.map(([light], at) => `  .c${at} { stroke: ${light}; }`).join("\n")}
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .soft { fill: #9198a1; }
    .grid { stroke: #30363d; } .axis { stroke: #9198a1; }
${colours.map(([, dark], at) => `    .c${at} { stroke: ${dark}; }`).join("\n")}
  }`;

/** Of the first results only, as many as there are colours. */
export function plot(trace: string, results: readonly Result[]): string {
  const shown = results.slice(0, colours.length).filter(({ samples }) => samples !== undefined);
  const panels: Panel[] = [
    { title: "Calls that wait", lines: shown.map(({ samples }) => samples!.queued) },
    { title: "Runners, booting ones included", lines: shown.map(({ samples }) => samples!.runners) },
    {
      title: "Longest wait of the calls that came at that time, seconds",
      lines: shown.map(({ waitsMs }) => waitsMs!.map((ms) => ms / 1_000)),
    },
  ];
  const steps = Math.max(1, ...panels.flatMap(({ lines }) => lines.map((line) => line.length)));
  const lengthMs = steps * (shown[0]?.samples?.stepMs ?? 1);
  const legendHeight = Math.ceil(shown.length / legendColumns) * legendRow;
  const top = (panel: number): number => margin.top + legendHeight + gap / 2 + panel * (panelHeight + gap);
  const height = top(2) + panelHeight + margin.bottom;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(`Simulation of ${trace}`)}</title>
<style>${style}
</style>
<rect class="ground" width="${width}" height="${height}"/>
<text x="${margin.left}" y="32" font-size="16" font-weight="600">${escaped(trace)}</text>
${shown.map(({ strategy, idleMs }, at) => legend(`${strategy}, idle ${formatDuration(idleMs)}`, at)).join("\n")}
${panels.map((panel, at) => drawn(panel, top(at), steps, lengthMs)).join("\n")}
${times(lengthMs, top(2) + panelHeight)}
</svg>
`;
}

function legend(text: string, at: number): string {
  const left = Math.round(margin.left + ((at % legendColumns) * plotWidth) / legendColumns);
  const base = margin.top + Math.floor(at / legendColumns) * legendRow;
  return `<path class="line c${at}" d="M${left} ${base - 4}h24"/><text x="${left + 32}" y="${base}">${escaped(text)}</text>`;
}

function drawn({ title, lines }: Panel, top: number, steps: number, lengthMs: number): string {
  const most = Math.max(...lines.flat(), 0);
  const step = niceStep(most, 4) || 1;
  const ceiling = Math.max(step, Math.ceil(most / step) * step);
  const y = (value: number): string => (top + panelHeight * (1 - value / ceiling)).toFixed(1);
  const right = width - margin.right;
  const marks: string[] = [];
  for (let at = 0; at * step <= ceiling; at++) {
    const value = Number((at * step).toPrecision(6));
    marks.push(
      `<path class="${at === 0 ? "axis" : "grid"}" d="M${margin.left} ${y(value)}H${right}"/>` +
        `<text class="soft" x="${margin.left - 8}" y="${y(value)}" dy="0.35em" text-anchor="end">${value.toLocaleString("en-US")}</text>`,
    );
  }
  for (const ms of timeMarks(lengthMs))
    marks.push(`<path class="grid" d="M${x(ms, lengthMs)} ${top}v${panelHeight}"/>`);
  const paths = lines.map((line, at) => `<path class="line c${at}" d="${path(line, steps, y)}"/>`);
  return `<text x="${margin.left}" y="${top - 12}" font-weight="600">${escaped(title)}</text>\n${[...marks, ...paths].join("\n")}`;
}

/** Steps, as nothing in a pool changes slowly; those that stay the same are drawn in one stroke. */
function path(line: readonly number[], steps: number, y: (value: number) => string): string {
  const place = (at: number): string => (margin.left + (plotWidth * at) / steps).toFixed(1);
  let drawing = `M${place(0)} ${y(line[0] ?? 0)}`;
  for (let at = 1; at < line.length; at++) {
    if (line[at] !== line[at - 1]) drawing += `H${place(at)}V${y(line[at]!)}`;
  }
  return `${drawing}H${place(line.length)}`;
}

function times(lengthMs: number, bottom: number): string {
  const mark = (ms: number): string =>
    `<text class="soft" x="${x(ms, lengthMs)}" y="${bottom + 20}" text-anchor="middle">${timeName(ms)}</text>`;
  const name = `<text class="soft" x="${margin.left + plotWidth / 2}" y="${bottom + 44}" text-anchor="middle">time of the trace</text>`;
  return [...timeMarks(lengthMs).map(mark), name].join("\n");
}

function timeName(ms: number): string {
  if (ms === 0) return "0";
  return ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : formatDuration(ms);
}

function x(ms: number, lengthMs: number): string {
  return (margin.left + (plotWidth * ms) / lengthMs).toFixed(1);
}

const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400];

function timeMarks(lengthMs: number): number[] {
  const seconds = lengthMs / 1_000;
  const step = timeSteps.find((length) => seconds / length <= 8) ?? niceStep(seconds, 8);
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => at * step * 1_000);
}

/** 1, 2 or 5 times a power of ten, so that about `parts` of them reach `most`. */
function niceStep(most: number, parts: number): number {
  if (most <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(most / parts));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => most / step <= parts) ?? power;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);
}
