/** `live(fn)`, and the two ends of a function. */
import type { LiveValue } from "../value/port.ts";
import { mark } from "./kinds.ts";
import type { Exported, Line } from "./reference.ts";

/** A function that runs where it was made: whoever calls it elsewhere gets a promise. `using` lets it go early. */
export type Live<F extends (...args: never[]) => unknown> = ((
  ...args: Parameters<F>
) => Promise<Awaited<ReturnType<F>>>) &
  Disposable;

/**
 * Lets a closure call back: captured by a closure, the function stays here, and calling it on the runner runs it here,
 * in the asynchronous context of the call. Its arguments and its result travel like results, functions among them as live
 * references. It lives until the call that captured it ends.
 *
 * @throws TypeError for anything but a function.
 * @example
 * const tick = live((done: number) => console.log(`${done} %`));
 * await flame(async () => { for (let done = 0; done <= 100; done += 50) await tick(done); });
 */
export function live<F extends (...args: never[]) => unknown>(fn: F): Live<F> {
  if (typeof fn !== "function") throw new TypeError(`Cannot make ${typeof fn} live: a function is wanted`);
  const wrapper = async (...args: Parameters<F>): Promise<unknown> => fn(...args);
  return disposable(wrapper as (...args: never[]) => Promise<unknown>, () => {}) as Live<F>;
}

export function exportFunction({ value, run, passedOn }: LiveValue): Exported {
  const fn = value as (...args: readonly unknown[]) => unknown;
  return {
    methods: [""],
    call: (_method, args) => run(() => fn(...args)),
    end() {
      if (passedOn) (value as Disposable)[Symbol.dispose]();
    },
  };
}

export function remoteFunction(line: Line): object {
  return disposable(
    (...args: unknown[]) => line.call("", args),
    () => {
      line.release();
      line.over();
    },
  );
}

function disposable<F extends (...args: never[]) => Promise<unknown>>(fn: F, dispose: () => void): F & Disposable {
  Object.defineProperty(fn, Symbol.dispose, { value: dispose });
  return mark(fn, "function") as F & Disposable;
}
