import { PROPERTY, type Prefix, type StepKind, type Trail } from "./path.ts";
import { PUT_OFF_DEPTH } from "./tags.ts";
import type { Body, Walk } from "./walk.ts";

/** A body that is written out of turn, and where its object stands. */
export interface PutOff {
  readonly value: object;
  readonly body: Body;
  readonly prefix: Prefix;
  readonly kind: StepKind;
  readonly step: unknown;
}

/** Keeps the paths of objects whose bodies are put off. */
export class Places {
  readonly #trail: Trail;
  /** Path of the container just above `PUT_OFF_DEPTH`, made for the first of its children and shared by all of them. */
  #container: Prefix | undefined;

  constructor(trail: Trail) {
    this.#trail = trail;
  }

  /** Another container just above `PUT_OFF_DEPTH` begins. */
  forget(): void {
    this.#container = undefined;
  }

  take(value: object, depth: number, body: Body): PutOff {
    const trail = this.#trail;
    const known = depth === PUT_OFF_DEPTH ? this.#container : undefined;
    const prefix = known ?? { parent: trail.prefix, steps: trail.recent(depth - 1) };
    if (depth === PUT_OFF_DEPTH) this.#container = prefix;
    return { value, body, prefix, kind: trail.kinds[depth] ?? PROPERTY, step: trail.steps[depth] };
  }

  /** Writes the bodies queued since `mark`, and those queued meanwhile. */
  write(walk: Walk, queue: PutOff[], mark: number, depth: number): void {
    const trail = this.#trail;
    const { prefix, base } = trail;
    const ownKind = trail.kinds[depth] ?? PROPERTY;
    const ownStep = trail.steps[depth];
    for (let i = mark; i < queue.length; i++) {
      const { value, body, prefix: container, kind, step } = queue[i] as PutOff;
      // Released at once: a long list is as long in this queue.
      queue[i] = undefined as unknown as PutOff;
      trail.prefix = container;
      trail.base = depth - 1;
      trail.step(depth, kind, step);
      body(walk, value, depth);
    }
    queue.length = mark;
    trail.prefix = prefix;
    trail.base = base;
    trail.step(depth, ownKind, ownStep);
  }
}
