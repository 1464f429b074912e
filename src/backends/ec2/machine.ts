/** One instance: what its pool knows as a machine. */
import type { BootRequest, Machine, MachineExit } from "../../ports/backend.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Admission, Claim, Guest } from "../../ports/gate.ts";
import type { Connection } from "../../ports/transport.ts";
import { admissionOf, lostConnection } from "../remote/admission.ts";
import type { InstanceFacts } from "./api.ts";

export interface InstanceDeps {
  readonly clock: Clock;
  readonly request: BootRequest;
  readonly flags: readonly string[];
  readonly windowMs: number;
  /** A machine whose boot has failed is left as it is, for somebody to look at. */
  readonly keepForDebug: boolean;
  accept(connection: Connection): void;
  /** Has EC2 end it; resolves when it has confirmed that. */
  terminate(id: string): Promise<void>;
  console(id: string): Promise<string>;
  /** It is of no interest any more. */
  forget(instance: Ec2Instance): void;
}

/** What the boot program prints when it has done a step, with the seconds since the machine was started. */
const bootLine = /tinderbox boot: (\w+) ([\d.]+)(?: |$)/;
/** What it prints instead when a step has failed: no phase, but a time. */
const failedWord = "failed";
/** What of the console is shown: the end of it, which is where the trouble is. */
const consoleLines = 20;
/** Of those that come after the last one of the boot program. */
const linesAfter = 5;

export class Ec2Instance implements Machine {
  readonly id: string;
  readonly exited: Promise<MachineExit>;
  readonly #deps: InstanceDeps;
  readonly #gone = Promise.withResolvers<MachineExit>();
  #guest: Guest | undefined;
  #exit: MachineExit | undefined;
  #ending = false;
  #connected = false;
  #failed = false;
  #isOver = false;

  constructor(id: string, deps: InstanceDeps) {
    this.id = id;
    this.#deps = deps;
    this.exited = this.#gone.promise;
    deps.request.phase("launched");
  }

  /** It has not come in yet. */
  get booting(): boolean {
    return !this.#connected && !this.#ending;
  }

  /** It has come in and has proven who it is. */
  admit({ phases }: Claim): Admission | undefined {
    if (this.#ending || this.#connected) return undefined;
    this.#connected = true;
    const { clock, request, flags, windowMs, accept } = this.#deps;
    passed(request, Object.entries(phases));
    return admissionOf({
      clock,
      request,
      flags,
      windowMs,
      accept,
      attached: (guest) => (this.#guest = guest),
      over: () => this.#isOver,
      exited: (exit) => {
        this.#exit = exit;
        this.#end();
      },
      closed: (error) => {
        this.#guest = undefined;
        if (error) this.#exit ??= lostConnection(error);
        this.#end();
      },
    });
  }

  /** What EC2 says of it: one that ends before it has come in will never come. */
  saw({ state, reason }: InstanceFacts): void {
    if (state === "pending" || state === "running") return;
    this.#exit ??= { reason: `EC2 says that it is ${state}${reason === undefined ? "" : ` (${reason})`}` };
    if (state === "shutting-down" || state === "terminated") this.#over();
    else this.#end();
  }

  ping(): void {
    this.#guest?.ping();
  }

  kill(): void {
    if (this.#deps.keepForDebug && this.#failed && !this.#ending) {
      this.#exit ??= { reason: "it is kept for debugging, see keepForDebug" };
      this.#over();
      return;
    }
    this.#guest?.kill();
    this.#end();
  }

  /** No request can be made any more. A word may still get through; if it does not, it notices by itself when its window is over. */
  exitNow(): void {
    if (this.#deps.request.onParentLoss === "kill") this.#guest?.kill();
  }

  async lastWords(): Promise<readonly string[]> {
    // Nobody asks one that comes up for them.
    this.#failed = true;
    if (this.#connected) return [];
    try {
      const lines = (await this.#deps.console(this.id)).split(/\r?\n/).filter((line) => line.trim() !== "");
      const found = lines.map((line) => bootLine.exec(line)).filter((match) => match !== null);
      passed(
        this.#deps.request,
        found.map(([, phase, seconds]) => [phase!, Number(seconds)]),
      );
      // What a machine says while it turns itself off comes after its reason to.
      const last = lines.findLastIndex((line) => line.includes("tinderbox boot:"));
      const end = last < 0 ? lines.length : Math.min(lines.length, last + 1 + linesAfter);
      return lines.slice(Math.max(0, end - consoleLines), end);
    } catch (error) {
      return [`(its console could not be read: ${error instanceof Error ? error.message : String(error)})`];
    }
  }

  /** Whatever it says itself, EC2 is told: a machine that only thinks that it ends would be paid for. */
  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    void this.#deps.terminate(this.id).then(() => this.#over());
  }

  #over(): void {
    this.#isOver = true;
    this.#ending = true;
    this.#deps.forget(this);
    this.#gone.resolve(this.#exit ?? { reason: "EC2 has ended it" });
    this.#guest?.gone();
  }
}

/** The machine's own times, of which the last is taken for now. */
function passed(request: BootRequest, phases: readonly (readonly [name: string, seconds: number])[]): void {
  const last = Math.max(0, ...phases.map(([, seconds]) => seconds));
  for (const [name, seconds] of phases) if (name !== failedWord) request.phase(name, (last - seconds) * 1000);
}
