import { setTimeout as sleep } from "node:timers/promises";
import type { LaunchOrder } from "../../machine-host.ts";
import { type Account, tagsOf } from "./account.ts";
import type { Instance, Reason } from "./instance.ts";

const reason = (code: string, text: string, transition = ""): Reason => ({
  code,
  message: `${code}: ${text}`,
  transition,
});

export const reasons = {
  byUser: (atMs: number) =>
    reason(
      "Client.UserInitiatedShutdown",
      "User initiated shutdown",
      `User initiated (${new Date(atMs).toISOString().slice(0, 19).replace("T", " ")} GMT)`,
    ),
  fromInside: () => reason("Client.InstanceInitiatedShutdown", "Instance initiated shutdown"),
  interrupted: () =>
    reason("Server.SpotInstanceTermination", "Spot instance termination", "Server.SpotInstanceTermination"),
  failed: () => reason("Server.InternalError", "Internal error on launch", "Server.InternalError"),
};

/** Moves instances through their states, and makes and ends the machines behind them. */
export class Lifecycle {
  readonly #account: Account;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(account: Account) {
    this.#account = account;
  }

  /** Notes work that goes on behind an answer. */
  #behind(work: () => Promise<void>): void {
    const one = work().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) console.warn("The EC2 endpoint's machine host failed:", error);
    });
    this.#running.add(one);
    void one.then(() => this.#running.delete(one));
  }

  #order({ facts }: Instance): LaunchOrder {
    const { plan } = facts;
    const { region, accountId, machineFaults } = this.#account;
    const tags = Object.fromEntries(tagsOf(this.#account, facts.id, "instance"));
    const { userData, type: instanceType, zone, imageId, architecture, role, metadata, memoryMb, vcpus } = plan;
    return {
      ...{ id: facts.id, privateIp: facts.privateIp, userData, tags, instanceType, zone, region, accountId, imageId },
      ...{ architecture, role, metadata, memoryMb, vcpus, faults: machineFaults.draw(tags) },
    };
  }

  /** Starts a new instance. Without a host it will run when its time has come. */
  start(instance: Instance): void {
    const { machines, times } = this.#account;
    const runsAtMs = instance.facts.launchedMs + times.pendingMs;
    if (!machines) return instance.enter("running", runsAtMs);
    const order = this.#order(instance);
    const booted = machines.launch(order).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) console.warn(`The machine of ${instance.id} could not be made:`, error);
      return undefined;
    });
    instance.booted = booted;
    this.#behind(async () => {
      const machine = await booted;
      if (!machine) return this.#over(instance, "terminated", reasons.failed());
      instance.machine = machine;
      const now = this.#account.now();
      if (!instance.isEnding(now)) instance.enter("running", Math.max(runsAtMs, now));
      this.#behind(async () => this.#ended(instance, await machine.ended));
    });
  }

  #ended(instance: Instance, how: "poweroff" | "killed" | "failed"): void {
    if (how === "killed" || this.#closing.signal.aborted) return;
    if (how === "failed") this.#over(instance, "terminated", reasons.failed());
    else this.powerOff(instance);
  }

  /** What follows when an instance shuts itself down. */
  powerOff(instance: Instance): void {
    const { onShutdown, market } = instance.facts.plan;
    // A one-time spot request cannot be stopped.
    const stops = onShutdown === "stop" && market !== "spot" && this.#account.rules.shutdownBehavior;
    this.#over(instance, stops ? "stopped" : "terminated", reasons.fromInside());
  }

  /** Enters the state before the last one and, when its time is over, the last one. */
  #over(instance: Instance, state: "stopped" | "terminated", why: Reason): void {
    const { times } = this.#account;
    const now = this.#account.now();
    if (instance.isEnding(now) || (state === "stopped" && !instance.isLive(now))) return;
    const last = state === "stopped" ? times.stoppingMs : times.shuttingDownMs;
    instance.enter(state === "stopped" ? "stopping" : "shutting-down", now, why);
    instance.enter(state, now + last, why);
  }

  /** Terminates an instance: at once in its state, behind the answer in its machine. */
  terminate(instance: Instance, why: Reason): void {
    const now = this.#account.now();
    if (instance.isEnding(now) || !this.#account.rules.ends(instance)) return;
    const wasStopped = instance.at(now).state === "stopped";
    if (wasStopped) return instance.enter("terminated", now, why);
    instance.enter("shutting-down", now, why);
    const goneMs = now + this.#account.times.shuttingDownMs;
    const { booted } = instance;
    if (!booted) return instance.enter("terminated", goneMs, why);
    this.#behind(async () => {
      await (await booted)?.kill();
      instance.enter("terminated", Math.max(goneMs, this.#account.now()), why);
    });
  }

  /** Takes a spot instance back: a notice now, its end after `noticeMs`. */
  interrupt(instance: Instance, noticeMs: number): void {
    // By the clock that machines have.
    const endMs = Date.now() + noticeMs;
    if (instance.machine) instance.machine.spotNotice(endMs, "terminate");
    else void instance.booted?.then((machine) => machine?.spotNotice(endMs, "terminate"));
    this.#behind(async () => {
      await sleep(noticeMs, undefined, { signal: this.#closing.signal });
      this.terminate(instance, reasons.interrupted());
    });
  }

  /**
   * Ends every machine and waits for all that goes on, also for machines that are being made. The host itself belongs
   * to who gave it.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    const all = [...this.#account.instances.values()];
    await Promise.all(all.map(async ({ booted }) => (await booted)?.kill()));
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
