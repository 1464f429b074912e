/**
 * Successors in waiting: for a program that is to be started again as soon as it has ended, a process is there already, in its
 * group and under its limits, that only has to become it. On Linux joining a group alone may take longer than all the rest.
 *
 * A successor is a shell that waits for a line on a pipe; the line says what it is to become, so that nobody takes it for the program
 * before. It ends by itself when the pipe does.
 */
import type { Writable } from "node:stream";
import type { Clock, Timer } from "../ports/clock.ts";
import { readProcess } from "../proc.ts";
import type { Program } from "./program.ts";

export interface Successor {
  readonly program: Program;
  readonly door: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A program that ends at once again has no use for it. */
const settleMs = 100;
/** Nobody wants what was not wanted for so long after the end of its predecessor. */
const idleMs = 10_000;

export class Standby {
  readonly #clock: Clock;
  readonly #waiting = new Map<object, Successor>();
  /** Whose successors they are. */
  readonly #present = new Map<object, Program>();
  readonly #timers = new Map<object, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The successor of that name, which becomes the program now. Undefined when there is none that is as wanted. */
  take(key: object, file: string, args: readonly string[], env: Successor["env"]): Program | undefined {
    const found = this.#waiting.get(key);
    this.#timers.get(key)?.cancel();
    this.#waiting.delete(key);
    if (!found) return undefined;
    const words = [file, ...args];
    if (!isThere(found) || !sameAs(found.env, env) || words.some((word) => word.includes("\n"))) {
      found.program.kill();
      return undefined;
    }
    found.door.end(`${words.map(quoted).join(" ")}\n`);
    return found.program;
  }

  /** Has a successor made for a program that has been up for a moment. */
  provide(key: object, program: Program, make: () => Promise<Successor>): void {
    let over = false;
    this.#present.set(key, program);
    this.#arm(key, settleMs, () => {
      void make()
        .then((successor) => {
          // Meanwhile it may have ended, or may have been told to.
          const wanted = !over && this.#present.get(key) === program && !this.#waiting.has(key);
          if (!wanted) successor.program.kill();
          else this.#wait(key, successor);
        })
        // It is started in the ordinary way then, and fails as it would.
        .catch(() => {});
    });
    void program.exited.then(() => {
      over = true;
      // Where its successor is the program already, there is another one to wait for.
      if (this.#present.get(key) === program) this.#arm(key, idleMs, () => this.discard(key));
    });
  }

  /** Its predecessor was told to end: nobody will ask for it. */
  discard(key: object): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    this.#present.delete(key);
    const found = this.#waiting.get(key);
    this.#waiting.delete(key);
    found?.program.kill();
  }

  close(): void {
    for (const key of new Set([...this.#timers.keys(), ...this.#waiting.keys()])) this.discard(key);
  }

  #wait(key: object, successor: Successor): void {
    this.#waiting.set(key, successor);
    void successor.program.exited.then(() => {
      if (this.#waiting.get(key) === successor) this.#waiting.delete(key);
    });
  }

  #arm(key: object, ms: number, fire: () => void): void {
    this.#timers.get(key)?.cancel();
    this.#timers.set(key, this.#clock.timer(ms, fire));
  }
}

/** Where there is no /proc its pipe has to tell. */
function isThere({ program, door }: Successor): boolean {
  return door.writable && (readProcess(program.pid) !== undefined || readProcess(process.pid) === undefined);
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function sameAs(one: Successor["env"], other: Successor["env"]): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
