/** Runners on EC2: machines that are asked for by the request, dial home, and are ended by id. */
import { inheritedFlags } from "../local.ts";
import type { Backend, BootRequest, Machine } from "../../ports/backend.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Enrol, Gate } from "../../ports/gate.ts";
import type { Connection } from "../../ports/transport.ts";
import { remoteBackend, type RemoteSite } from "../remote/site.ts";
import type { Ec2Api, Offer, Tags } from "./api.ts";
import { advisedAtOnce, type IntentFacts, Launcher, type Party, type Wish } from "./launcher.ts";
import { Ec2Instance } from "./machine.ts";
import { doubtOf } from "./identity.ts";
import type { ResolvedEc2Options } from "./options.ts";
import { offersOf, type Settings } from "./settings.ts";
import { ownerTag } from "./sweep.ts";
import { Terminator } from "./terminator.ts";
import { BootWatch } from "./watch.ts";

/** What a root gives to this backend. */
export interface Ec2Wiring {
  readonly clock: Clock;
  /** Once for each time that pools need machines; until then nothing is asked of anybody. */
  open(): Promise<Ec2Site>;
  /** Something that is in nobody's way, but should be known. */
  trouble(error: unknown): void;
}

/** Everything that is outside of this process. */
export interface Ec2Site {
  /** With what only terraform knew. @default those that the backend was made with */
  readonly options?: ResolvedEc2Options;
  readonly settings: Settings;
  readonly api: Ec2Api;
  readonly gate: Gate;
  /** Whose the machines are: a word in their tags. Changes when this process has lost its claim. */
  owner(): Promise<string>;
  /** As `LauncherDeps.intend`. */
  intend(token: string, facts: IntentFacts): Promise<() => Promise<void>>;
  /** What instances with that ticket are to do, as user data. */
  userData(ticket: Buffer, wish: Wish): Promise<string>;
  close(): Promise<void>;
}

/** How long an instance may show its ticket after it was asked for. */
const ticketMs = 15 * 60_000;
const usual = {
  max: 10,
  concurrency: 1,
  idleMs: 5 * 60_000,
  onParentLoss: "drain",
  drainWithinMs: 5_000,
  remote: true,
} as const;

export function ec2Backend(options: ResolvedEc2Options, wiring: Ec2Wiring): Backend {
  return remoteBackend({
    name: "ec2",
    defaults: { ...usual, processes: options.cores },
    async open() {
      const site = await wiring.open();
      return new RunningSite(site.options ?? options, wiring, site);
    },
    trouble: wiring.trouble,
  });
}

class RunningSite implements RemoteSite {
  readonly address: string;
  readonly #options: ResolvedEc2Options;
  readonly #wiring: Ec2Wiring;
  readonly #site: Ec2Site;
  readonly #launcher: Launcher;
  readonly #terminator: Terminator;
  readonly #watch: BootWatch;
  readonly #instances = new Map<string, Ec2Instance>();
  /** Those that we go to ourselves: what their tickets are, until it is known where they are. */
  readonly #calledOn = new Map<string, (address: string) => void>();
  /** How to stop going to those. */
  readonly #calls = new Map<string, AbortController>();
  readonly #tickets = new Set<Timer>();
  #offers: Promise<readonly Offer[]> | undefined;

  constructor(options: ResolvedEc2Options, wiring: Ec2Wiring, site: Ec2Site) {
    this.#options = options;
    this.#wiring = wiring;
    this.#site = site;
    this.address = site.gate.address;
    const { clock, trouble } = wiring;
    const { api } = site;
    this.#terminator = new Terminator(clock, api, trouble);
    this.#watch = new BootWatch(
      clock,
      api,
      options.dial === "parent" ? 1_000 : 5_000,
      () => this.#instances.values(),
      (facts) => {
        if (facts.address !== undefined) this.#calledOn.get(facts.id)?.(facts.address);
      },
    );
    this.#launcher = new Launcher({
      clock,
      api,
      trouble,
      markets: options.markets,
      // One that is larger than the limit would go beyond it.
      mostAtOnce: Math.min(advisedAtOnce, options.launchesPerMinute),
      offers: () => this.#knownOffers(),
      tags: (wish, token, owner) => this.#tags(wish, token, owner),
      owner: () => site.owner(),
      userData: (ticket, wish) => site.userData(ticket, wish),
      expect: (party) => this.#expect(party),
      intend: (token, facts) => site.intend(token, facts),
      end: (id) => void this.#terminator.end(id),
    });
  }

  boot(request: BootRequest, accept: (connection: Connection) => void): Promise<Machine> {
    request.phase("requested");
    const { clock } = this.#wiring;
    const { windowMs, keepForDebug } = this.#options;
    const { api } = this.#site;
    return new Promise((resolve, reject) => {
      this.#launcher.add({
        pool: request.pool,
        // Its own timer runs from its start on, a pool counts from when it is ready.
        lifetimeMs: request.lifetimeMs + request.bootTimeoutMs,
        bootTimeoutMs: request.bootTimeoutMs,
        failed: reject,
        launched: (id) => {
          const instance = new Ec2Instance(id, {
            clock,
            request,
            windowMs,
            keepForDebug,
            flags: inheritedFlags(),
            accept,
            terminate: (which) => this.#terminator.end(which),
            console: (which) => api.console(which),
            forget: (which) => this.#forget(which),
          });
          this.#instances.set(id, instance);
          this.#watch.look();
          resolve(instance);
        },
      });
    });
  }

  async close(): Promise<void> {
    this.#watch.stop();
    await this.#launcher.close();
    for (const timer of this.#tickets) timer.cancel();
    // While there is somebody who can be asked.
    await this.#terminator.close();
    await this.#site.close();
  }

  #forget({ id }: Ec2Instance): void {
    this.#terminator.ended(id);
    this.#instances.delete(id);
    this.#calledOn.delete(id);
    this.#calls.get(id)?.abort();
    this.#calls.delete(id);
  }

  /** Asked for once; a failure is not kept. */
  #knownOffers(): Promise<readonly Offer[]> {
    const { api, settings } = this.#site;
    const offers = (this.#offers ??= offersOf(api, settings.subnets, this.#options));
    offers.catch(() => (this.#offers = undefined));
    return offers;
  }

  #tags({ pool, lifetimeMs }: Wish, token: string, owner: string): Tags {
    const expires = lifetimeMs === Infinity ? "never" : new Date(this.#wiring.clock.wall() + lifetimeMs).toISOString();
    return {
      Name: `tinderbox ${pool}`,
      ...this.#options.tags,
      [ownerTag]: owner,
      "tinderbox:pool": pool,
      "tinderbox:request": token,
      "tinderbox:expires": expires,
    };
  }

  #expect({ ticket, of, instances, account }: Party): void {
    const enrol: Enrol = async (claim) => {
      const wish = await of(claim.instance);
      if (!wish) return undefined;
      const { identityKeys } = this.#options;
      if (identityKeys) {
        const doubt = doubtOf(identityKeys, claim, { account, region: await this.#site.api.region() });
        // Not the instance's fault: whoever this is may have stolen its ticket.
        if (doubt !== undefined) return void this.#wiring.trouble(foreign(claim.instance, doubt));
      }
      return this.#instances.get(claim.instance)?.admit(claim);
    };
    const { gate } = this.#site;
    if (this.#options.dial === "runner") {
      const stop = gate.expect(ticket, enrol);
      const timer = this.#wiring.clock.timer(ticketMs, () => {
        this.#tickets.delete(timer);
        stop();
      });
      this.#tickets.add(timer);
      return;
    }
    void instances.then((ids) => {
      for (const id of ids) {
        this.#calledOn.set(id, (address) => {
          this.#calledOn.delete(id);
          const call = new AbortController();
          this.#calls.set(id, call);
          const { signal } = call;
          gate
            .dial(`${address}:${this.#options.runnerPort}`, ticket, enrol, { withinMs: ticketMs, signal })
            .catch((error: unknown) => signal.aborted || this.#wiring.trouble(error));
        });
      }
    });
  }
}

function foreign(instance: string, doubt: string): Error {
  return new Error(`Cannot let ${instance} in: ${doubt}; see identityCertificates of ec2()`);
}
