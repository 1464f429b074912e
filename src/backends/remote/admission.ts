/** How a machine that has proven who it is gets what it needs, and what is heard of it from then on. */
import type { BootRequest, MachineExit } from "../../ports/backend.ts";
import type { Admission, Guest } from "../../ports/gate.ts";
import type { Connection } from "../../ports/transport.ts";
import type { Clock } from "../../ports/clock.ts";

export interface AdmissionDeps {
  readonly clock: Clock;
  readonly request: BootRequest;
  /** Flags of Node. */
  readonly flags: readonly string[];
  readonly windowMs: number;
  accept(connection: Connection): void;
  attached(guest: Guest): void;
  /** It has ended, by another way: a last word may be on its way. */
  over(): boolean;
  /** Its agent has ended. */
  exited(exit: MachineExit): void;
  /** It is not heard any more. */
  closed(error?: Error): void;
}

export function admissionOf(deps: AdmissionDeps): Admission {
  const { request, flags, windowMs, clock } = deps;
  const { runner, env, onParentLoss, token } = request;
  return {
    grant: { runner, token: token.toString("base64url"), env, flags, onParentLoss, windowMs },
    attached(guest) {
      deps.attached(guest);
      if (deps.over()) guest.gone();
    },
    accept: (connection) => deps.accept(connection),
    beat: () => void (deps.over() || request.beat()),
    output: (stream, line) => request.output(stream, line),
    exited: (exit) => deps.exited(exit),
    notice: (kind, at) => request.leaving(noticeText(kind, at - clock.wall())),
    closed: (error) => deps.closed(error),
  };
}

/** The reason of an end by a connection that broke. */
export function lostConnection(error: Error): MachineExit {
  return { reason: `its connection was lost: ${error.message}` };
}

function noticeText(kind: string, inMs: number): string {
  const seconds = Math.max(0, Math.round(inMs / 1000));
  return `its ${kind} notice: the machine is taken away in ${seconds} s`;
}
