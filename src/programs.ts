/**
 * The composition root of native programs: which clock, which events, how they are started. Apart from `runtime.ts`, because a
 * runner needs this and not the pools.
 */
import { systemClock } from "./clock.ts";
import { place } from "./context.ts";
import { events } from "./events/index.ts";
import type { BinaryData } from "./native/binary/data.ts";
import { callerOf } from "./native/binary/location.ts";
import { type Opener, openers } from "./native/binary/openers.ts";
import type { BinaryOptions, OneShotOptions } from "./native/binary/options.ts";
import { BinaryRegistry } from "./native/binary/registry.ts";
import { Sources, defaultFolder } from "./native/binary/source.ts";
import type { AnyBinary, JsonBinary, OneShotBinary, TypedOptions, WorkerBinary } from "./native/binary/types.ts";
import { hold, join } from "./lifecycle.ts";
import type { Branch } from "./ports/child.ts";
import { startProgram } from "./services.ts";

/** Loaded by the first source that is there: most applications have none. */
const openStored: Opener = async (url, signal) => {
  const { openStore } = await import("./store.ts");
  async function* bytes(): AsyncGenerator<Uint8Array> {
    const store = openStore(`s3://${url.hostname}`);
    try {
      yield* store.blob(decodeURIComponent(url.pathname.slice(1))).stream({ signal });
    } finally {
      await store.close();
    }
  }
  return bytes();
};
openers.set("s3:", openStored);

const binaries = new BinaryRegistry({
  clock: systemClock,
  events,
  startProgram: (options) => {
    const started = startProgram(options);
    // After the programs themselves: what uses them ends before them.
    keep();
    return started;
  },
  sources: new Sources({ clock: systemClock, openers, folder: defaultFolder }),
  live: hold,
});

let kept = false;

/** From the first start on. */
function keep(): void {
  if (kept) return;
  kept = true;
  join({
    kind: "programs",
    describe() {
      const children = binaries.all().flatMap((each): Branch[] => {
        const { detail, children: workers } = each.describe();
        const stats = each.stats();
        const used = workers.length + stats.running + stats.queued > 0;
        return used ? [{ ...branch, id: each.name, detail, children: workers }] : [];
      });
      return children.length === 0 ? undefined : { ...branch, id: "binaries", children };
    },
    stop: (options) => Promise.all(binaries.all().map((each) => each.close(options))),
  });
}

const branch = { type: "supervisor", status: "running", restarts: 0, since: systemClock.wall() } as const;

/** A handle that a closure has captured. */
place.handles.set("binary", (data) => binaries.receive(data as BinaryData));

/**
 * Declares a native program. Nothing is started until its first call, `start()`, or a supervisor starts it. On each runner, as here,
 * it has a pool of processes of its own; closures may capture it.
 *
 * Without `protocol` it is started for each `run`; with one it stays up and answers `call` after `call`.
 *
 * @throws TinderboxError when another place has declared a binary of that name.
 * @example
 * const ffmpeg = binary("ffmpeg", { command: "ffmpeg", size: 2, timeout: "10m" });
 * const { stdout } = await flame(() => ffmpeg.run(["-i", "pipe:0", "-f", "mp3", "pipe:1"], { input: video }));
 * @example
 * const classify = binary("classify", { command: "./bin/classify", protocol: "jsonl", size: 4 });
 * const label = await classify.call({ text: "hello" });
 */
export function binary(name: string, options: TypedOptions<"lines", string, string>): WorkerBinary<string, string>;
export function binary<Q = unknown, A = unknown>(name: string, options: TypedOptions<"jsonl", Q, A>): JsonBinary<Q, A>;
export function binary(
  name: string,
  options: TypedOptions<{ readonly packet: 1 | 2 | 4 }, Uint8Array, Uint8Array>,
): WorkerBinary<Uint8Array, Uint8Array>;
export function binary(name: string, options: OneShotOptions): OneShotBinary;
export function binary(name: string, options: object): AnyBinary {
  return binaries.declare(name, options as BinaryOptions, callerOf(binary)) as AnyBinary;
}
