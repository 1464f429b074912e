/** The life of a pool's calls: from the queue to an executor, and from there to its end, whichever that is. */
import type { Message } from "../wire/messages.ts";
import { type Answer, Answers } from "./answers.ts";
import { type Call, type CallRequest, hasBegun, joinStack, mayRepeat, ownStack } from "./call.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Event } from "./decisions.ts";
import type { LinkEnd } from "./exits.ts";
import { aborted, bootTooLate, callTimeout, closedDuring, nodeGone, queueTimeout, runnerLost } from "./failures.ts";
import type { Fleet } from "./fleet.ts";
import type { Lane } from "./lane.ts";
import { Ledger, type LedgerDeps } from "./ledger.ts";
import { Lending } from "./lending.ts";
import { Nesting, type NestingHost } from "./nesting.ts";
import { Openings } from "./openings.ts";
import { Replacing } from "./replacing.ts";
import { pauseBefore } from "./retries.ts";

/** What the calls need of their pool. */
export interface CallsHost extends LedgerDeps, NestingHost {
  readonly pool: string;
  readonly processes: number;
  readonly bootTimeoutMs: number;
  readonly deadlines: Deadlines;
  readonly fleet: Fleet;
  /** Runners that take calls. */
  ready(): number;
  closed(): boolean;
  step(event: Event): void;
  /** A call is gone. */
  ended(): void;
}

export class Calls {
  readonly ledger: Ledger;
  readonly #host: CallsHost;
  readonly #deadlines: Deadlines;
  readonly #fleet: Fleet;
  readonly #lending: Lending;
  readonly openings: Openings;
  readonly #answers: Answers;
  readonly #nesting: Nesting;
  readonly #replacing: Replacing;

  constructor(host: CallsHost) {
    this.#host = host;
    this.#fleet = host.fleet;
    this.#deadlines = host.deadlines;
    this.ledger = new Ledger(host.pool, host);
    this.#lending = new Lending({
      ...host,
      over: (call) => this.openings.over(call),
      expired: (call, error) => this.abort(call, error),
    });
    this.#answers = new Answers(this.#lending, host.fleet);
    this.#nesting = new Nesting(host, this.#lending);
    this.#replacing = new Replacing({
      processes: host.processes,
      link: (runner) => this.#fleet.get(runner),
      callsOn: (lane) => this.ledger.on(lane),
      step: (event) => host.step(event),
      leave: (lane) => this.openings.leave("retired", lane),
    });
    this.openings = new Openings({
      live: (change) => host.live(change),
      ledger: this.ledger,
      lending: this.#lending,
      replacing: this.#replacing,
      deadlines: host.deadlines,
      step: (event) => host.step(event),
      closed: () => host.closed(),
      ended: () => host.ended(),
      release: (call) => this.#release(call),
    });
  }

  /** Takes a call over: from here on it ends exactly once. */
  add(request: CallRequest): void {
    this.#enqueue(this.ledger.add(request, (call) => this.abort(call, aborted(call))));
  }

  /** The one runner that could have taken it takes no more calls. */
  refuse(call: Call): void {
    this.abort(call, nodeGone(call, this.#host.pool));
  }

  /** The pool will not wait any longer. */
  giveUp(): void {
    for (const call of this.ledger.all()) {
      const error = closedDuring(call, this.#host.pool);
      ownStack(error, call);
      this.ledger.reject(call, error);
      call.lane?.endLive(call.id, error);
      if (!call.lane) this.#release(call);
    }
  }

  executorGone(lane: Lane, slots: number, end: LinkEnd): void {
    this.#replacing.forget(lane);
    this.#host.step({ type: "slots", runner: lane.runnerNumber, slots });
    this.#lost(this.ledger.on(lane), "process", end);
  }

  #enqueue(call: Call, again = false): void {
    const { priority, key, node, queueTimeoutMs } = call.options;
    this.ledger.queued(call);
    this.#host.step({
      type: "call",
      call: call.id,
      priority,
      key,
      again,
      runner: node,
    });
    if (call.lane || call.settled) return;
    call.clock = this.#deadlines.add(queueTimeoutMs, () => this.abort(call, queueTimeout(call, this.#host.pool)));
    this.#expectBoot(call);
  }

  /** A waiter that has seen no runner come up in all of `bootTimeout`, and has none now, is told why. */
  #expectBoot(call: Call): void {
    const { bootTimeoutMs } = this.#host;
    const { boots } = this.#fleet;
    const seen = boots.ok;
    call.bootClock = this.#deadlines.add(bootTimeoutMs, () => {
      if (call.settled || call.lane) return;
      if (this.#host.ready() > 0 || boots.ok > seen) this.#expectBoot(call);
      else void this.#failWithBoot(call);
    });
  }

  async #failWithBoot(call: Call): Promise<void> {
    const last = await this.#fleet.lastWord();
    if (call.settled || call.lane) return;
    this.abort(call, bootTooLate(call, this.#host.pool, this.#host.bootTimeoutMs, last));
  }

  dispatch(call: Call, runner: number): void {
    const link = this.#fleet.get(runner)!;
    const lane = link.executors.pick();
    call.clock?.cancel();
    call.bootClock?.cancel();
    call.lane = lane;
    lane.busy++;
    link.calls++;
    call.startedAt = this.#host.clock.now();
    const { captured, args, attempt, mode, id } = call;
    const pending = captured.payload.pending ?? args?.payload.pending;
    const refuse = (error: unknown): void => {
      if (call.lane !== lane) return;
      this.ledger.reject(call, error);
      this.#release(call);
    };
    const send = (): void => {
      if (call.lane !== lane) return;
      if (call.settled) return void this.#release(call);
      try {
        // One that has gone meanwhile gives its calls back when its end is known.
        if (!lane.open) return;
        if (args) lane.sendUnits(args.units, captured.modules);
        const value = this.#lending.lend(call, lane, captured.payload);
        const values = args && this.#lending.lend(call, lane, args.payload);
        const among = call.relay && [...captured.units];
        lane.dispatch({ type: "call", id, attempt, mode, value, args: values, among }, captured);
      } catch (error) {
        return refuse(error);
      }
      call.sent = true;
      this.#limit(call, lane);
      this.ledger.started(call, lane.runner);
    };
    if (pending) Promise.all([pending, args?.payload.pending]).then(send, refuse);
    else send();
  }

  #limit(call: Call, lane: Lane): void {
    const { timeoutMs } = call.options;
    call.clock = this.#deadlines.add(timeoutMs, () => this.abort(call, callTimeout(call, lane.runner)));
  }

  message(lane: Lane, message: Message): void {
    switch (message.type) {
      case "result":
      case "error":
        this.#finish(lane, message);
        break;
      case "progress": {
        const call = this.ledger.get(message.id);
        if (!call?.options.onProgress || call.settled || call.lane !== lane) break;
        const { value, failed } = this.#answers.read(lane, message, call);
        if (failed) this.#host.events.emit("hook.failed", { event: "onProgress", error: value });
        else this.ledger.progress(call, value);
        break;
      }
      case "fault": {
        const { calls } = message;
        const text = this.#fleet.redact(message.text);
        this.#host.events.emit("runner.fault", { pool: this.#host.pool, runner: lane.runner, calls, text });
        for (const line of text.split("\n")) this.print(lane.runner, calls[0] ?? 0, "stderr", line);
        this.#replacing.retire(lane);
        break;
      }
      case "accepted": {
        const call = this.ledger.get(message.id);
        if (call?.lane === lane) call.accepted?.();
        break;
      }
      case "close":
        this.openings.closedByRunner(lane, message.id);
        break;
      case "nested": {
        // Its code will be named again, whatever becomes of this call.
        for (const { id, module } of message.modules) lane.keep(id, module);
        const call = this.ledger.get(message.id);
        if (call?.lane === lane && (!call.settled || call.kept)) this.#nesting.begin(call, lane, message);
        else lane.refuse(message.id, message.number);
        break;
      }
      case "ref-call":
      case "ref-result":
      case "ref-release":
      case "credit":
        lane.live(message);
        break;
      case "item":
        if (message.reference === 0) this.#part(lane, message);
        else lane.live(message);
        break;
      default:
        this.#fleet.get(lane.runnerNumber)?.stop(lane, `protocol error: a runner sent ${message.type}`);
    }
  }

  #finish(lane: Lane, message: Answer): void {
    const call = this.ledger.get(message.id);
    if (!call || call.lane !== lane || call.opened) return;
    const live = message.type === "result" && message.value.references !== undefined;
    if (!call.settled && call.part) {
      const outcomes = this.#answers.outcomes(lane, message, call);
      const close = (error: Error): void => this.openings.over(call, error);
      if (outcomes.live) return this.openings.open(call, { ...outcomes, close });
      this.ledger.resolve(call, outcomes);
    } else if (!call.settled) {
      const relays = call.relay !== undefined && message.type === "result";
      const { value, failed } = relays
        ? this.#answers.relayed(lane, message, call)
        : this.#answers.read(lane, message, call);
      if (message.type === "result" && !failed) {
        if (live) return this.openings.open(call, value);
        this.ledger.resolve(call, value);
      } else if (failed || !this.#retry(call, value)) {
        const { bytes, buffers } = message.value;
        if (call.relay && !failed) call.relay.error = { bytes, buffers };
        joinStack(value, call, lane.runner);
        this.ledger.reject(call, value);
      } else return;
    }
    // The runner keeps it for a caller who has gone, or who cannot read it.
    if (live) this.openings.close(call, lane);
    else this.#release(call);
  }

  /** Results of a batch that goes on with another item, which has all of its time before it. */
  #part(lane: Lane, message: Extract<Message, { type: "item" }>): void {
    const call = this.ledger.get(message.id);
    if (!call || call.settled || call.lane !== lane) return;
    const outcomes = this.#answers.outcomes(lane, { ...message, type: "result" }, call);
    call.clock?.cancel();
    this.#limit(call, lane);
    call.part!(outcomes, message.mark === 1);
  }

  /** After the closure's own error: true when the call will be made again. */
  #retry(call: Call, error: unknown): boolean {
    const { retries } = call.options;
    if (call.retried >= retries.limit || this.#host.closed() || hasBegun(call)) return false;
    const hookFailed = (failure: unknown): void =>
      this.#host.events.emit("hook.failed", { event: "retries", error: failure });
    const delayMs = pauseBefore(retries, error, call.retried + 1, hookFailed);
    if (delayMs === undefined) return false;
    this.ledger.failedAttempt(call, error);
    this.#free(call, true);
    call.retried++;
    call.attempt++;
    // Its caller may leave meanwhile; the call is then forgotten like one that waits.
    const again = (): void => this.#enqueue(call, true);
    if (delayMs === 0) again();
    else call.clock = this.#deadlines.add(delayMs, again);
    return true;
  }

  /** The caller is told at once; the slot stays taken until the executor confirms or its grace is over. */
  abort(call: Call, error: Error): void {
    if (call.settled) return;
    ownStack(error, call);
    this.ledger.reject(call, error);
    const { lane } = call;
    if (!lane) {
      this.#release(call);
      return;
    }
    lane.endLive(call.id, error);
    lane.cancel(call.id, error.message);
    if (call.opened) lane.send({ type: "close", id: call.id });
    this.openings.grace(call, lane);
  }

  runnerGone(runner: number, end: LinkEnd): void {
    const stranded = this.ledger.all().filter((call) => call.lane?.runnerNumber === runner);
    this.#replacing.forgetRunner(runner);
    this.#host.step({ type: "gone", runner });
    this.#lost(stranded, "machine", end);
  }

  /** What becomes of calls whose executor, or whole machine, is no more. */
  #lost(stranded: readonly Call[], scope: "process" | "machine", end: LinkEnd): void {
    for (const call of stranded) {
      if (!call.settled && !mayRepeat(call, this.#host.closed())) {
        const error = runnerLost(call, scope, end);
        ownStack(error, call);
        this.ledger.reject(call, error);
        call.lane?.endLive(call.id, error);
      }
      if (call.kept) call.lane?.endLive(call.id, runnerLost(call, scope, end));
      if (call.settled) this.#release(call);
      else {
        this.#free(call, true);
        this.#enqueue(call, true);
      }
    }
  }

  /** The call is on no executor any more. */
  #free(call: Call, again = false): void {
    const { lane } = call;
    lane?.endLive(call.id, undefined, again);
    call.clock?.cancel();
    call.lane = undefined;
    call.sent = false;
    if (lane && !call.kept) lane.busy--;
    this.#host.step({ type: "done", call: call.id });
    if (lane) this.#replacing.look(lane);
  }

  /** Nothing of the call is left. */
  #release(call: Call): void {
    this.ledger.forget(call);
    this.#free(call);
    if (call.opened) call.watch?.released();
    this.#host.ended();
  }

  print(runner: string, call: number, stream: "stdout" | "stderr", line: string): void {
    const name = this.ledger.get(call)?.options.name ?? "";
    this.#host.events.emit("runner.log", { pool: this.#host.pool, runner, call, name, stream, line });
  }
}
