/** Calls that harm the runner they are on. */
import { type FlameOptions, flame } from "tinderbox";
import type { InnerFault } from "./faults.ts";
import { type Receipt, type Slip, spin, work } from "./on-runner.ts";

interface Manner {
  readonly exitCode: number;
  /** How long it keeps its process from hearing anything before it ends it: what comes meanwhile stays unread. */
  readonly busyMs: number;
}

type Start = (slip: Slip, options: FlameOptions, manner: Manner) => Promise<Receipt>;

interface Culprit {
  readonly start: Start;
  /** `value`: it returns before the accident. `limit`: only its limit ends it. `lost`: its runner's end does. */
  readonly ends: "value" | "limit" | "lost";
  /** It returns after its limit: when the parent was blocked meanwhile, it reads that before it looks at its clocks. */
  readonly late?: boolean;
}

const never = (): Promise<never> => new Promise(() => {});

const exit: Start = (slip, options, { exitCode, busyMs }) =>
  flame((on) => work(on, slip, () => (spin(busyMs), process.exit(exitCode))), options);

const abort: Start = (slip, options, { busyMs }) =>
  flame((on) => work(on, slip, () => (spin(busyMs), process.abort())), options);

const segfault: Start = (slip, options) =>
  flame((on) => work(on, slip, () => (process.kill(process.pid, "SIGSEGV"), never())), options);

const suicide: Start = (slip, options, { busyMs }) =>
  flame((on) => work(on, slip, () => (spin(busyMs), process.kill(process.pid, "SIGKILL"), never())), options);

const outOfMemory: Start = (slip, options) =>
  flame(
    (on) =>
      work(on, slip, () => {
        const kept: number[][] = [];
        for (;;) kept.push(Array.from({ length: 1_000 }, () => Math.random()));
      }),
    options,
  );

const spinOn: Start = (slip, options) => flame((on) => work(on, slip, () => spin(Infinity)), options);

/** Beyond its limit, and back before its grace is over. */
const block: Start = (slip, options) => flame((on) => work(on, slip, () => spin(1_500)), options);

const deaf: Start = (slip, options) => flame((on) => work(on, slip, never), options);

const throwLater: Start = (slip, options) =>
  flame(
    (on) =>
      work(on, slip, () => {
        setTimeout(() => {
          throw new Error("a later tick");
        }, 20);
      }),
    options,
  );

/** Has to go for an error of that sort, and does not when it is asked to. */
const cling: Start = (slip, options) =>
  flame(
    (on) =>
      work(on, slip, () => {
        process.on("exit", () => spin(Infinity));
        setTimeout(() => void Promise.reject(new Error("time to go")), 20);
      }),
    options,
  );

const rejectLater: Start = (slip, options) =>
  flame(
    (on) => work(on, slip, () => void setTimeout(() => void Promise.reject(new Error("nobody listens")), 20)),
    options,
  );

export const culprits: Readonly<Record<InnerFault, Culprit>> = {
  exit: { start: exit, ends: "lost" },
  abort: { start: abort, ends: "lost" },
  segfault: { start: segfault, ends: "lost" },
  suicide: { start: suicide, ends: "lost" },
  "out of memory": { start: outOfMemory, ends: "lost" },
  "spin on": { start: spinOn, ends: "limit" },
  block: { start: block, ends: "limit", late: true },
  deaf: { start: deaf, ends: "limit" },
  "throw later": { start: throwLater, ends: "value" },
  cling: { start: cling, ends: "value" },
  "reject later": { start: rejectLater, ends: "value" },
};
