/**
 * Keeps several processes from downloading the same thing at a time. Only that: what is downloaded gets its name by a
 * rename of something whole, so two who download all the same do no harm, and a lock that is taken from a dead owner
 * by two at a time costs one download.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Clock } from "../../ports/clock.ts";

const everyMs = 25;
/** A lock of another machine, whose processes cannot be seen, is believed for so long. */
const foreignMs = 10 * 60_000;

export class Lock {
  readonly #file: string;
  readonly #clock: Clock;
  /** Another life of the same process number is another owner. */
  readonly #owner = `${hostname()} ${process.pid} ${bornAt(process.pid)}`;

  constructor(file: string, clock: Clock) {
    this.#file = file;
    this.#clock = clock;
  }

  /** True when it is ours; false when `done` became true, or the time was over, before that. */
  async take(done: () => boolean, withinMs: number): Promise<boolean> {
    const end = this.#clock.now() + withinMs;
    for (;;) {
      if (done()) return false;
      if (this.#tryTake()) return true;
      if (this.#clock.now() >= end) return false;
      await new Promise<void>((resolve) => this.#clock.timer(everyMs, resolve).hold(true));
    }
  }

  release(): void {
    if (this.#read() === this.#owner) rmSync(this.#file, { force: true });
  }

  #tryTake(): boolean {
    try {
      writeFileSync(this.#file, this.#owner, { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (!this.#isDead()) return false;
    rmSync(this.#file, { force: true });
    return false;
  }

  #isDead(): boolean {
    const text = this.#read();
    if (text === undefined) return false;
    const [host, pid, born] = text.split(" ");
    if (host !== hostname() || born === undefined) return this.#ageMs() > (text === "" ? 1_000 : foreignMs);
    return bornAt(Number(pid)) !== born;
  }

  #ageMs(): number {
    try {
      return this.#clock.wall() - statSync(this.#file).mtimeMs;
    } catch {
      return 0;
    }
  }

  #read(): string | undefined {
    try {
      return readFileSync(this.#file, "utf8");
    } catch {
      return undefined;
    }
  }
}

/** When a process was started, in ticks of the system; "gone" when it is not there, "?" where there is no /proc. */
function bornAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "gone" : fields[19]!;
  } catch {
    try {
      process.kill(pid, 0);
      return "?";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? "?" : "gone";
    }
  }
}
