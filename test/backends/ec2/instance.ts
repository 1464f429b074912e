/** An instance as its backend makes it, with what became of it. */
import { type InstanceDeps, Ec2Instance } from "../../../src/backends/ec2/machine.ts";
import type { BootRequest, MachineExit } from "../../../src/ports/backend.ts";
import type { Claim, Guest } from "../../../src/ports/gate.ts";
import { FakeClock } from "../../harness/fake-clock.ts";

export interface InstanceLab {
  readonly clock: FakeClock;
  readonly machine: Ec2Instance;
  /** What it has done to others, in order. */
  readonly log: string[];
  readonly exits: MachineExit[];
  /** EC2 confirms that it is ending. */
  confirm(): void;
  readonly guest: Guest;
}

export const claim: Claim = { instance: "i-1", identity: undefined, phases: {}, peer: "10.0.0.4:5000" };

export function instance(
  id = "i-1",
  deps: Partial<InstanceDeps> = {},
  request: Partial<BootRequest> = {},
): InstanceLab {
  const clock = new FakeClock();
  const log: string[] = [];
  const exits: MachineExit[] = [];
  const confirmed = Promise.withResolvers<void>();
  const machine = new Ec2Instance(id, {
    clock,
    request: {
      runner: "media-1",
      pool: "media",
      address: "10.0.0.1:1#1",
      token: Buffer.alloc(32, 7),
      env: { A: "b" },
      onParentLoss: "drain",
      bootTimeoutMs: 1,
      lifetimeMs: 1,
      phase: (name, agoMs) => void log.push(`phase ${name}${agoMs === undefined ? "" : ` ${Math.round(agoMs)}`}`),
      output: (stream, line) => void log.push(`${stream} ${line}`),
      beat: () => void log.push("beat"),
      leaving: (reason) => void log.push(`leaving ${reason}`),
      ...request,
    },
    flags: ["--flag"],
    windowMs: 5_000,
    keepForDebug: false,
    accept: () => void log.push("accept"),
    terminate: (which) => {
      log.push(`terminate ${which}`);
      return confirmed.promise;
    },
    console: async () => "",
    forget: ({ id: which }) => void log.push(`forget ${which}`),
    ...deps,
  });
  void machine.exited.then((exit) => exits.push(exit));
  const say = (word: string) => () => void log.push(`guest ${word}`);
  const guest = { instance: id, ping: say("ping"), kill: say("kill"), gone: say("gone"), release: say("release") };
  return { clock, machine, log, exits, guest, confirm: confirmed.resolve };
}
