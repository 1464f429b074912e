import type { PathStep } from "./port.ts";

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
/** Steps that are no property names, in the forms that `Trail` makes. */
const label = /^(?:<[^]*>|\.get\([^]*\)|\[Symbol[^]*\])$/;
const MAX_SHOWN = 64;
const MAX_STEPS = 24;

/** Renders a path, e.g. `value.options.ssl[0].check`. The first step is the name of the root. */
export function formatPath(steps: readonly PathStep[]): string {
  if (steps.length > MAX_STEPS) {
    const half = MAX_STEPS / 2;
    return `${formatPath(steps.slice(0, half))} ... ${render(steps.slice(-half))}`;
  }
  return String(steps[0] ?? "value") + render(steps.slice(1));
}

function render(steps: readonly PathStep[]): string {
  let text = "";
  for (const step of steps) {
    if (typeof step === "number") text += `[${step}]`;
    else if (label.test(step)) text += step.startsWith("<") ? ` ${step}` : step;
    else if (identifier.test(step)) text += `.${step}`;
    else text += `[${JSON.stringify(shorten(step))}]`;
  }
  return text;
}

/** What the raw step at some depth means. Only a path that is asked for is rendered. */
export const PROPERTY = 0;
export const MAP_KEY = 1;
export const MAP_VALUE = 2;
export const SET_ITEM = 3;
export const LABEL = 4;
export type StepKind = typeof PROPERTY | typeof MAP_KEY | typeof MAP_VALUE | typeof SET_ITEM | typeof LABEL;

export interface Prefix {
  readonly parent: Prefix | undefined;
  readonly steps: readonly PathStep[];
}

/** Where the walk stands: one raw step per depth, written without allocation. */
export class Trail {
  readonly steps: unknown[] = [];
  readonly kinds: StepKind[] = [];
  /** Path of the object whose body is written out of turn; its own steps start at `base + 1`. */
  prefix: Prefix | undefined;
  base = -1;

  step(depth: number, kind: StepKind, step: unknown): void {
    this.steps[depth] = step;
    this.kinds[depth] = kind;
  }

  /** The path down to `depth`, without what lies before the current prefix. */
  recent(depth: number): PathStep[] {
    const path: PathStep[] = [];
    for (let i = this.base + 1; i <= depth; i++) path.push(named(this.kinds[i] ?? PROPERTY, this.steps[i]));
    return path;
  }

  path(depth: number): PathStep[] {
    const parts = [this.recent(depth)];
    for (let prefix = this.prefix; prefix; prefix = prefix.parent) parts.push([...prefix.steps]);
    return parts.toReversed().flat();
  }
}

function named(kind: StepKind, step: unknown): PathStep {
  if (kind === MAP_KEY) return `<key ${String(step)}>`;
  if (kind === SET_ITEM) return `<item ${String(step)}>`;
  if (kind === MAP_VALUE)
    return typeof step === "number" ? `<value ${step}>` : `.get(${JSON.stringify(shorten(String(step)))})`;
  if (typeof step === "symbol") return nameSymbol(step);
  return step as PathStep;
}

/** `[Symbol.iterator]`, `[Symbol("name")]`. */
function nameSymbol(symbol: symbol): string {
  const description = symbol.description ?? "";
  return description.startsWith("Symbol.") ? `[${description}]` : `[Symbol(${JSON.stringify(shorten(description))})]`;
}

function shorten(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}
