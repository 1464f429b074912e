/** Binaries of one test: with a clock and events of their own, real programs, and an end. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../../src/clock.ts";
import { type EventMap, type EventName, Events } from "../../../src/events/index.ts";
import type { Binary } from "../../../src/native/binary/handle.ts";
import { type Opener, openers } from "../../../src/native/binary/openers.ts";
import type { BinaryOptions } from "../../../src/native/binary/options.ts";
import { BinaryRegistry } from "../../../src/native/binary/registry.ts";
import { Sources } from "../../../src/native/binary/source.ts";
import type { Program, ProgramExit, ProgramOptions, StartProgram } from "../../../src/native/program.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { programs } from "../../../src/services.ts";
import { whenTestEnds } from "../../harness/hooks.ts";
import { testRun } from "../../harness/run.ts";

export interface LabOptions {
  readonly clock?: Clock;
  readonly cache?: string;
  readonly openers?: ReadonlyMap<string, Opener>;
  readonly start?: StartProgram;
}

export function makeLab({ clock = systemClock, cache = join(folder(), "cache"), ...given }: LabOptions = {}) {
  const events = new Events();
  const counts = { live: 0 };
  const started: ProgramOptions[] = [];
  const registry = new BinaryRegistry({
    clock,
    events,
    startProgram: (options) => {
      started.push(options);
      return (given.start ?? programs.start)(options);
    },
    sources: new Sources({ clock, openers: given.openers ?? openers, folder: () => cache }),
    live: (change) => void (counts.live += change),
  });
  whenTestEnds(async () => {
    await Promise.all(registry.all().map((binary) => binary.close({ timeout: 0 })));
  });
  let names = 0;
  return {
    events,
    /** Live calls. */
    counts,
    /** What programs were started with. */
    started,
    registry,
    declare: (options: object, name = `b${++names}`): Binary => registry.declare(name, options as BinaryOptions, "lab"),
    /** All events of a name, as they come. */
    record<N extends EventName>(name: N): EventMap[N][] {
      const seen: EventMap[N][] = [];
      events.on(name, (event) => void seen.push(event));
      return seen;
    },
  };
}

/** A program that does what a test says, in the order that it says. */
export function fakeProgram() {
  const exited = Promise.withResolvers<ProgramExit>();
  const gone = Promise.withResolvers<void>();
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const stops: string[] = [];
  const fake: Program = {
    pid: 1,
    stdin,
    stdout,
    stderr,
    exited: exited.promise,
    gone: gone.promise,
    memory: () => undefined,
    hold: () => {},
    kill: () => void stops.push("kill"),
    async stop() {
      stops.push("stop");
      end(143);
    },
  };
  const exit = (status: number): void => exited.resolve({ status, exitCode: status, signal: undefined, oom: false });
  const end = (status: number): void => {
    exit(status);
    for (const stream of [stdout, stderr]) stream.end();
    gone.resolve();
  };
  return { fake, stdin, stdout, stderr, stops, exit, end, gone: gone.resolve };
}

/** A folder that goes with the test file. */
export const folder = (): string => mkdtempSync(join(testRun.folder, "binary-"));

/** Options that start a program of `test/programs/workers`. */
export function program(name: string, ...args: string[]): { command: string; args: string[] } {
  const file = fileURLToPath(new URL(`../../programs/workers/${name}`, import.meta.url));
  return { command: name.endsWith(".sh") ? "sh" : process.execPath, args: [file, ...args] };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: unknown): string => new TextDecoder().decode(value as Uint8Array);

export { runs } from "./runs.ts";
