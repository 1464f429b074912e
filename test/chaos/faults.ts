/** The accidents: what each does to its runner, and what the calls on that runner must be told. */

/** From outside, by a signal, to a runner or to one of its several executors. */
export type OuterFault = "kill" | "kill booting" | "stop" | "pause" | "kill executor" | "stop executor";
/** From inside, by a closure: the first five end the process at once. */
export type InnerFault =
  | "exit"
  | "abort"
  | "segfault"
  | "suicide"
  | "out of memory"
  | "spin on"
  | "block"
  | "deaf"
  | "throw later"
  | "cling"
  | "reject later";
export type FaultName = OuterFault | InnerFault;

/** How a `RunnerLostError` looks whose cause is this fault. */
export interface Sign {
  readonly exitCode?: number;
  readonly signal?: string;
  readonly oom?: true;
  readonly reason: RegExp;
}

export interface Fault {
  readonly name: FaultName;
  /** Undefined: nobody's call is lost by it. */
  readonly sign?: Sign;
  /** What must become of the runner: gone by this, ended by its pool in its own time, or none the worse. */
  readonly runner: "lost" | "replaced" | "stays";
  /** Other calls on the runner may exceed their time, on a machine so busy that beats are not missed before. */
  readonly delays?: true;
}

/** `exitCode` is chosen per accident, so that the one in the error can only come from there. */
export function fault(name: FaultName, exitCode = 0): Fault {
  const lost = (sign: Sign): Fault => ({ name, sign, runner: "lost" });
  switch (name) {
    case "kill":
    case "kill booting":
    case "kill executor":
    case "suicide":
      return lost({ signal: "SIGKILL", reason: /^signal SIGKILL\b/ });
    case "stop":
    case "stop executor":
      return { ...lost({ signal: "SIGKILL", reason: /^heartbeat lost/ }), delays: true };
    case "exit":
      return lost({ exitCode, reason: new RegExp(`^exit code ${exitCode}$`) });
    case "abort":
      return lost({ signal: "SIGABRT", reason: /^signal SIGABRT$/ });
    case "segfault":
      return lost({ signal: "SIGSEGV", reason: /^signal SIGSEGV$/ });
    case "out of memory":
      return lost({ signal: "SIGABRT", oom: true, reason: /^out of memory/ });
    case "spin on":
    case "cling":
      return { name, runner: "replaced", delays: true };
    case "deaf":
    case "throw later":
    case "reject later":
      return { name, runner: "replaced" };
    case "block":
    case "pause":
      return { name, runner: "stays" };
  }
}

export const exitCodes = [0, 1, 3, 42, 78, 255] as const;
