/**
 * Executors within this process. What a process of its own would know of itself is here known of the call that asks: which runner this
 * is, whose code was sent here, who makes its nested calls.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { tmpdir } from "node:os";
import { Executor } from "../../../runners/executor.ts";
import { offerPrograms } from "../../../runners/programs.ts";
import { type RunnerInfo, place } from "../../context.ts";
import type { Linker } from "../../closure/link.ts";
import type { NestedRequest } from "../../closure/nested.ts";
import { sent } from "../../closure/sent.ts";
import { AbortError } from "../../errors.ts";
import type { NestedCall } from "../../pool/nesting.ts";
import { removeScratch } from "../../scratch.ts";
import { encode } from "../../value/encode.ts";
import { type Message, callModes } from "../../wire/messages.ts";
import { refreshImports, sharedCode } from "./modules.ts";

type Of<Type extends Message["type"]> = Extract<Message, { type: Type }>;

const outside = AsyncLocalStorage.snapshot();

interface Stations {
  readonly current: AsyncLocalStorage<Station>;
  /** How many were made, and how many have not ended. */
  made: number;
  open: number;
  /** Of the one that is being made. */
  linker: Linker | undefined;
}

const slot = Symbol.for("tinderbox.stations");
const realm = globalThis as { [slot]?: Stations };
/** Shared by all copies of the package: they share what a process knows of itself. */
const stations: Stations = (realm[slot] ??= { current: new AsyncLocalStorage(), made: 0, open: 0, linker: undefined });

/** The executor that this code runs on. */
const current = (): Station | undefined => stations.current.getStore();

/** From the first executor on these are no properties of the process any more. */
function takePlace(): void {
  if (stations.made > 0) return;
  offerPrograms();
  const answer = (target: object, name: string, get: () => unknown, set: (value: never) => void): void =>
    void Object.defineProperty(target, name, { configurable: true, enumerable: true, get, set });
  answer(
    sent,
    "linker",
    () => current()?.linker,
    (linker: Linker) => void (stations.linker = linker),
  );
  answer(
    place,
    "runner",
    () => current()?.runner,
    () => {},
  );
  answer(
    place,
    "nested",
    () => current()?.nested,
    () => {},
  );
}

export class Station {
  readonly runner: RunnerInfo;
  readonly linker: Linker;
  readonly #executor: Executor;
  readonly #number: number;
  readonly #nest: (call: NestedCall) => void;
  /** Of calls that still run: aborted when they end, for those that they have made. */
  readonly #ends = new Map<number, AbortController>();
  #over = false;

  /** `nest` makes a call of this process's own pools, for a closure of the runner. */
  constructor(runner: RunnerInfo, units: number, send: (message: Message) => void, nest: (call: NestedCall) => void) {
    this.#nest = nest;
    takePlace();
    this.runner = runner;
    this.#number = ++stations.made;
    stations.open++;
    const where = { base: tmpdir(), machine: process.pid, executor: this.#number };
    const say = (message: Message): void => {
      if (message.type === "result" || message.type === "error" || message.type === "close") this.#ended(message.id);
      send(message);
    };
    this.#executor = new Executor(runner, where, units, say, () => {}, sharedCode);
    this.linker = stations.linker!;
  }

  /** Takes what a runner is sent by its parent. */
  receive(message: Message): void {
    // Not in the context of whoever has sent it.
    stations.current.run(this, () => this.#receive(message));
  }

  drain(done: () => void): void {
    this.#executor.drain(done);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    const reason = encode("the machine has ended", { describe: () => unreachable() });
    for (const id of this.#executor.running) this.#executor.cancel(id, reason);
    for (const id of [...this.#ends.keys()]) this.#ended(id);
    const own = { base: tmpdir(), machine: process.pid };
    removeScratch(--stations.open > 0 ? { ...own, executor: this.#number } : own);
  }

  /** A call that a closure makes: the parent is this process, so that nothing of it has to travel twice. */
  readonly nested = (pool: string, request: object): void => {
    const { mode, given, captured, args, resolve, reject } = request as NestedRequest;
    const id = (place.calls.getStore() as { readonly id?: number } | undefined)?.id ?? -1;
    const controller = this.#ends.get(id);
    if (!controller) {
      throw new AbortError(
        "Cannot call flame here: the call that this code belongs to has ended; await it inside of the closure",
      );
    }
    const wanted = callModes.find((each) => each === mode)!;
    const call = {
      asking: this.runner.pool,
      mode: wanted,
      options: { ...given, pool },
      captured,
      args,
      resolve,
      reject,
    };
    // Without a relay the result is a value, as for any call of the parent.
    const nested = { ...call, ended: controller.signal, depth: 1 } as unknown as NestedCall;
    // The pools of this process are none of the call's business.
    outside(() => this.#nest(nested));
  };

  #receive(message: Message): void {
    switch (message.type) {
      case "module":
        this.#executor.module(message);
        break;
      case "call":
        this.#call(message);
        break;
      case "cancel":
        this.#executor.cancel(message.id, message.value);
        break;
      case "close":
        void this.#executor.close(message.id);
        break;
      case "ref-call":
      case "ref-result":
      case "ref-release":
      case "item":
      case "credit":
        this.#executor.live(message);
        break;
      default:
        break;
    }
  }

  #call(message: Of<"call">): void {
    refreshImports();
    this.#ends.set(message.id, new AbortController());
    this.#executor.call(message);
  }

  #ended(id: number): void {
    const controller = this.#ends.get(id);
    if (!controller) return;
    this.#ends.delete(id);
    controller.abort(new AbortError("Cannot go on: the call that has made it is over"));
  }
}

function unreachable(): never {
  throw new Error("unreachable");
}
