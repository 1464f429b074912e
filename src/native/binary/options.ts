/** What a binary may be told, for people: types, defaults and meaning. `resolve.ts` checks them. */
import type { Duration, Size } from "../../duration.ts";
import type { Limits } from "../limits.ts";
import type { StopOptions } from "../stop.ts";
import type { Protocol } from "./framing.ts";

/** Where the program is, what it gets, and what it may use: for one-shot binaries and workers alike. */
export interface CommonOptions {
  /**
   * A name that is looked up on PATH, or a path. A relative path is taken from the folder of the nearest `package.json` above
   * the file that declares the binary.
   */
  readonly command?: string;
  /** In place of `command`: where to get the program from, by `${process.platform}-${process.arch}`. */
  readonly source?: Readonly<Record<string, BinarySource>>;
  /** Arguments; those of a single `run` follow them. @default [] */
  readonly args?: readonly string[];
  /** Added to the environment of this process; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Relative to the same folder as `command`. @default the working folder of this process */
  readonly cwd?: string;
  /** Calls that may wait; beyond it a call fails at once. @default 10000 */
  readonly queueLimit?: number;
  /** Wait of one call. @default Infinity */
  readonly queueTimeout?: Duration;
  /** Execution of one call. @default Infinity */
  readonly timeout?: Duration;
  /** What the program may use of the machine. */
  readonly limits?: Limits;
  /** How it is ended: this signal to it and all that it has started, and SIGKILL when the grace is over. */
  readonly stop?: StopOptions;
}

export interface BinarySource {
  /** `file:`, `http:`, `https:`, or another scheme that this process has an opener for. */
  readonly url: string;
  /** Of the program itself, in hexadecimal. */
  readonly sha256: string;
}

/** A program that is started for each call. */
export interface OneShotOptions extends CommonOptions {
  readonly protocol?: undefined;
  /** Most that run at a time in one process of ours. @default the number of cores */
  readonly size?: number;
  /** What `run` keeps of stdout for its result; a program that writes more is ended. @default "100mb" */
  readonly maxBuffer?: Size;
}

/** A program that stays up and answers one call after another. */
export interface WorkerOptions<P extends Protocol = Protocol> extends CommonOptions {
  /**
   * `"lines"`: a line for a line. `"jsonl"`: one JSON value a line. `{ packet: 4 }`: bytes, led by their length in 1, 2 or 4 bytes,
   * the most significant first.
   */
  readonly protocol: P;
  /** Most workers in one process of ours. @default 1 */
  readonly size?: number;
  /** Workers kept from the first call on; more come on demand. @default `size`, or 0 with `idle` */
  readonly min?: number;
  /** Calls that one worker is given before it has answered; it answers in order. @default 1 */
  readonly pipeline?: number;
  /** Longest answer. @default "64mb" */
  readonly maxAnswer?: Size;
  /**
   * When a worker is up: a line of its stdout or stderr that matches (lines of stdout until then are no answers), or `"answer"`: it
   * writes one answer without being asked. @default as soon as it is started
   */
  readonly ready?: RegExp | "answer";
  /** @default "30s" */
  readonly readyTimeout?: Duration;
  /** Asks workers that have nothing to do whether they still work. */
  readonly health?: HealthOptions;
  /** Workers that may end by themselves within `within`; one more, and none is started for as long. @default 3 for each of `size` */
  readonly maxRestarts?: number;
  /** @default "5s" */
  readonly within?: Duration;
  /** Calls after which a worker is replaced. @default Infinity */
  readonly maxCalls?: number;
  /** Memory of a worker and all that it has started at which it is replaced, once it has answered. @default Infinity */
  readonly maxMemory?: Size;
  /** Age at which a worker is replaced, once it has answered. @default Infinity */
  readonly maxAge?: Duration;
  /** Time without a call after which a worker beyond `min` ends. @default Infinity */
  readonly idle?: Duration;
}

export interface HealthOptions {
  /** Time between two looks at one worker. */
  readonly every: Duration;
  /** For the whole look. @default "5s" */
  readonly timeout?: Duration;
  /** Gets `call` for that very worker. It is replaced when this throws or gives `false`, or a promise of that. */
  readonly probe: (call: (request: never) => Promise<never>) => unknown;
}

export type BinaryOptions = OneShotOptions | WorkerOptions;

/** Options of one `run`. */
export interface RunOptions {
  /** Its stdin. Without it, and without `stdin` of the call being asked for, stdin is empty. */
  readonly input?: RunInput;
  /** Ends the program. */
  readonly signal?: AbortSignal;
  /** Execution alone, from the start of the program. @default that of the binary */
  readonly timeout?: Duration;
  /** @default that of the binary */
  readonly queueTimeout?: Duration;
  /** What `stdout` of the result is. @default "bytes" */
  readonly encoding?: "bytes" | "utf8";
  /** @default that of the binary */
  readonly cwd?: string;
  /** Added to that of the binary. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `false`: a failure is a result with `failed: true`. @default true */
  readonly reject?: boolean;
  /** @default that of the binary */
  readonly maxBuffer?: Size;
}

export type RunInput =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array | string>
  | NodeJS.ReadableStream
  | Iterable<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>;

/** Options of one `call`. */
export interface CallOptions {
  /** Ends the call, and the worker that it is on. */
  readonly signal?: AbortSignal;
  /** From the moment that a worker is given the request. @default that of the binary */
  readonly timeout?: Duration;
  /** @default that of the binary */
  readonly queueTimeout?: Duration;
}
