import type { HostedMachine, LaunchOrder } from "../machine-host.ts";
import type { Remote } from "../../calls.ts";
import { freeze, processesIn } from "./inside.ts";
import type { WardenCalls } from "./protocol.ts";

/** As much as EC2 keeps of a console. */
const consoleBytes = 65_536;

export type End = "poweroff" | "killed" | "failed";

/** One machine, seen by the process that ordered it. */
export class Hosted implements HostedMachine {
  readonly id: string;
  readonly ended: Promise<End>;
  readonly #warden: Remote<WardenCalls>;
  readonly #end = Promise.withResolvers<End>();
  readonly #timers: NodeJS.Timeout[] = [];
  #console: Buffer = Buffer.alloc(0);
  #namespace: string | undefined;
  #thaw: (() => void) | undefined;
  #freezing: Promise<void> = Promise.resolve();
  #over = false;
  #killed = false;

  constructor(order: LaunchOrder, warden: Remote<WardenCalls>) {
    this.id = order.id;
    this.ended = this.#end.promise;
    this.#warden = warden;
  }

  /** It runs; its faults begin to count. */
  started(namespace: string, { diesAfterMs, hangsAfterMs }: LaunchOrder["faults"]): void {
    this.#namespace = namespace;
    if (this.#over) return;
    const after = (ms: number | undefined, action: () => Promise<void>) => {
      if (ms !== undefined) this.#timers.push(setTimeout(() => void action().catch(() => undefined), ms));
    };
    after(diesAfterMs, () => this.#warden.kill(this.id));
    after(hangsAfterMs, () => this.freeze(true));
  }

  heard(bytes: Uint8Array): void {
    this.#console = Buffer.from(Buffer.concat([this.#console, bytes]).subarray(-consoleBytes));
  }

  /** It has ended, with all that was inside. */
  finish(how: End): void {
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#end.resolve(this.#killed ? "killed" : how);
  }

  console(): string {
    return this.#console.toString();
  }

  async kill(): Promise<void> {
    if (this.#over) return;
    this.#killed = true;
    // Without a warden there is nothing left of it.
    await this.#warden.kill(this.id).catch(() => undefined);
    await this.ended;
  }

  async partition(cut: boolean): Promise<void> {
    if (!this.#over) await this.#warden.partition(this.id, cut);
  }

  freeze(on: boolean): Promise<void> {
    const turn = async () => {
      if (this.#over || this.#namespace === undefined || on === (this.#thaw !== undefined)) return;
      if (on) {
        this.#thaw = await freeze(this.#namespace);
      } else {
        this.#thaw?.();
        this.#thaw = undefined;
      }
    };
    const done = this.#freezing.then(turn);
    this.#freezing = done.catch(() => undefined);
    return done;
  }

  spotNotice(atMs: number, action: "terminate" = "terminate"): void {
    void this.#warden.notice(this.id, { atMs, action }).catch(() => undefined);
  }

  async pids(): Promise<number[]> {
    return this.#over || this.#namespace === undefined ? [] : processesIn(this.#namespace);
  }
}
