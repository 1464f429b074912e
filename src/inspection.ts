/**
 * Lets a person on this machine see what this process keeps up: `tinderbox ps`. A socket in the temporary folder that only this
 * user can reach, open while there is something to see; who connects gets one line of JSON.
 */
import { systemClock } from "./clock.ts";
import { place } from "./context.ts";
import { describeEverything, look, whileSome } from "./lifecycle.ts";
import type { Branch } from "./ports/child.ts";
import type { Timer } from "./ports/clock.ts";
import type { Connection, Listener } from "./ports/transport.ts";
import { listenUnix } from "./transport/unix.ts";

export interface Inspected {
  readonly pid: number;
  /** What it runs. */
  readonly script: string;
  readonly node: string;
  /** When it was started, in milliseconds since 1970. */
  readonly since: number;
  readonly trees: readonly Branch[];
}

/** Part of the name of the folder that holds the socket. */
export const folderMark = "look-";

/** A short program does not pay for it. */
const delayMs = 50;

let timer: Timer | undefined;
let listener: Promise<Listener> | undefined;

/** From the first thing that is kept up. Does nothing on a runner. */
export function offerInspection(): void {
  if (place.runner) return;
  whileSome((some) => {
    timer?.cancel();
    if (some) timer = systemClock.timer(delayMs, () => void open());
    else void close();
  });
}

async function open(): Promise<void> {
  // Who cannot be looked at works all the same.
  listener ??= listenUnix(answer, folderMark);
  await listener.catch(() => (listener = undefined));
}

async function close(): Promise<void> {
  const found = listener;
  listener = undefined;
  (await found?.catch(() => undefined))?.close();
}

function answer(connection: Connection): void {
  connection.hold(false);
  connection.attach({ data() {}, drain() {}, close() {} });
  const tell = (): void => {
    const inspected: Inspected = {
      pid: process.pid,
      script: process.argv[1] ?? "",
      node: process.version,
      since: systemClock.wall() - systemClock.now(),
      trees: describeEverything(),
    };
    connection.write(Buffer.from(`${JSON.stringify(inspected)}\n`));
    connection.end();
  };
  // Who looks must not be able to end what is looked at.
  void look()
    .then(tell)
    .catch(() => connection.destroy());
}
