/** A module that a runner imports by itself and that captures closures of its own. */
import { flame } from "tinderbox";
import { Box, triple } from "./shapes.ts";

type Legs = typeof import("./legs.ts");

const factor = 7;
export class Job {
  readonly title: string;
  constructor(title: string) {
    this.title = title;
  }
}
const describeJob = (job: Job): string => `${job.title}!`;

export async function packJob(legs: string, title: string): Promise<ReturnType<Legs["pack"]>> {
  const { pack } = (await import(/* @vite-ignore */ legs)) as Legs;
  const job = new Job(title);
  const box = new Box(2);
  return pack(() => [
    factor,
    triple(factor),
    describeJob(job),
    job instanceof Job,
    box instanceof Box,
    import.meta.url,
  ]);
}

export async function packMaker(legs: string): Promise<ReturnType<Legs["pack"]>> {
  const { pack } = (await import(/* @vite-ignore */ legs)) as Legs;
  return pack(() => new Job("made elsewhere"));
}

/** Of classes that this file does not import. */
export async function packClasses(legs: string, classes: readonly object[]): Promise<ReturnType<Legs["pack"]>> {
  const { pack } = (await import(/* @vite-ignore */ legs)) as Legs;
  const [lid, hinge] = classes;
  return pack(async () => {
    const shapes = await import("./shapes.ts");
    return [lid === shapes.Lid, hinge === shapes.Hinge];
  });
}

// What makes the load hook and the plugin look at this file.
export const unused = (): Promise<number> => flame(() => 1);
