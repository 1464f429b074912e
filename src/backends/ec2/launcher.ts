/**
 * Gets instances for boots that were asked for at about the same time: merged into one request, over all types and places, with another
 * market where that is allowed, and with a token that makes repeating it safe.
 */
import { randomBytes } from "node:crypto";
import type { Clock, Timer } from "../../ports/clock.ts";
import {
  type Ec2Api,
  type FleetOutcome,
  type Market,
  type Offer,
  type Tags,
  type Template,
  templateName,
} from "./api.ts";
import { Scarce } from "./capacity.ts";
import { ec2Error, kindOf } from "./failures.ts";
import type { Ec2Error } from "../../errors.ts";

/** One machine that is wanted. */
export interface Wish {
  readonly pool: string;
  readonly lifetimeMs: number;
  readonly bootTimeoutMs: number;
  /** Which instance it is. */
  launched(instance: string): void;
  failed(error: unknown): void;
}

/** Instances of one request: what they share, and what becomes of it. */
export interface Party {
  /** In the user data of all of them. */
  readonly ticket: Buffer;
  /** The wish that the instance was launched for. */
  of(instance: string): Promise<Wish | undefined>;
  /** Ids of all that were launched; none when nothing was. */
  readonly instances: Promise<readonly string[]>;
  /** The number of the account that they are in, where that is known. */
  readonly account: string | undefined;
}

/** What is written down of a request before it is made. */
export interface IntentFacts {
  readonly count: number;
  readonly pool: string;
  /** As `Ec2Api.template`: what it leaves there can be removed by others. */
  readonly template: string | undefined;
}

export interface LauncherDeps {
  readonly clock: Clock;
  readonly api: Ec2Api;
  readonly markets: readonly Market[];
  /** Instances of one request. */
  readonly mostAtOnce: number;
  offers(): Promise<readonly Offer[]>;
  /** Whose they will be. */
  owner(): Promise<string>;
  tags(wish: Wish, token: string, owner: string): Tags;
  /** What instances with that ticket are to do. */
  userData(ticket: Buffer, wish: Wish): Promise<string>;
  /** Lets instances in from now on; called before the first of them can come. */
  expect(party: Party): void;
  /** A note of what is about to be asked for, kept where it outlives us; what it gives takes it back. */
  intend(token: string, facts: IntentFacts): Promise<() => Promise<void>>;
  /** Ends an instance that nobody has asked for. */
  end(instance: string): void;
  /** Something that is in nobody's way, but should be known. */
  trouble(error: unknown): void;
}

/** Boots of one turn of a pool come one by one: after each this much is waited for another, and at most so long for all. */
const mergeMs = 35;
const mostMergeMs = 250;
/** EC2 advises several requests of this size instead of one that is larger. */
export const advisedAtOnce = 100;
/** Requests with other offers that one may take until it is given up. */
const mostTries = 6;
const pauseMs = 500;
const closeMs = 10_000;
const mostShown = 8;

interface Waiting {
  readonly wishes: Wish[];
  readonly since: number;
  timer: Timer | undefined;
}

export class Launcher {
  readonly #deps: LauncherDeps;
  readonly #scarce: Scarce;
  readonly #waiting = new Map<string, Waiting>();
  readonly #over = new AbortController();
  /** Requests, and the removal of what was made for them. None of these ever rejects. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(deps: LauncherDeps) {
    this.#deps = deps;
    this.#scarce = new Scarce(deps.clock);
  }

  /**
   * What has not been asked for yet is not any more, and nothing is asked for again. Waits for what is under way and for its traces to be
   * removed, but not for long: whoever looks after us finds them.
   */
  async close(): Promise<void> {
    this.#over.abort();
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { timer, wishes } of all) {
      timer?.cancel();
      for (const wish of wishes) wish.failed(closedError());
    }
    let late = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#deps.clock.timer(closeMs, () => {
      late = true;
      resolve();
    });
    while (this.#underWay.size > 0 && !late) await Promise.race([promise, ...this.#underWay]);
    timer.cancel();
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }

  add(wish: Wish): void {
    if (this.#over.signal.aborted) return wish.failed(closedError());
    // What goes into the user data and the tags must be the same for all.
    const group = JSON.stringify([wish.pool, wish.lifetimeMs, wish.bootTimeoutMs]);
    const { clock } = this.#deps;
    const now = clock.now();
    const waiting = this.#waiting.get(group) ?? { wishes: [], since: now, timer: undefined };
    this.#waiting.set(group, waiting);
    waiting.wishes.push(wish);
    waiting.timer?.cancel();
    waiting.timer = clock.timer(Math.max(0, Math.min(mergeMs, waiting.since + mostMergeMs - now)), () => {
      this.#waiting.delete(group);
      const { wishes } = waiting;
      while (wishes.length > 0) this.#track(this.#grant(wishes.splice(0, this.#deps.mostAtOnce)));
    });
  }

  async #grant(wishes: Wish[]): Promise<void> {
    const open = [...wishes];
    const refusals: (Refusal & { readonly market: Market })[] = [];
    try {
      const offers = await this.#deps.offers();
      for (const market of this.#deps.markets) {
        let left = this.#scarce.without(offers, market);
        for (let tries = 0; open.length > 0 && left.length > 0 && tries < mostTries; tries++) {
          const asked = left;
          for (const refusal of await this.#ask(open, market, asked)) {
            refusals.push({ ...refusal, market });
            // Where it does not say of which there is none, there is none of all.
            const of = refusal.offer ? [refusal.offer] : asked;
            left = left.filter((offer) => !of.includes(offer));
            if (kindOf(refusal.code) === "capacity") for (const offer of of) this.#scarce.add(offer, market);
          }
          if (left === asked && open.length > 0) break;
        }
      }
      if (open.length > 0) throw refused(open.length, refusals);
    } catch (error) {
      for (const wish of open) wish.failed(error);
    }
  }

  /** One request. Takes those out of `open` for whom there is an instance. */
  async #ask(open: Wish[], market: Market, offers: readonly Offer[]): Promise<FleetOutcome["refusals"]> {
    const { api, owner, tags, userData, intend, expect, end } = this.#deps;
    const [first] = open as [Wish, ...Wish[]];
    const token = randomBytes(16).toString("hex");
    const order = { token, market, offers, count: open.length, tags: tags(first, token, await owner()) };
    const ticket = randomBytes(32);
    const given = new Map<string, Wish>();
    const answered = Promise.withResolvers<readonly string[]>();
    const party = (account: string | undefined): Party => ({
      ticket,
      account,
      instances: answered.promise,
      of: async (instance) => {
        await answered.promise;
        return given.get(instance);
      },
    });
    const settled = await intend(token, { count: open.length, pool: first.pool, template: api.template });
    let template: Template | undefined;
    try {
      const name = templateName(token);
      template = await api.makeTemplate({ token, name, userData: await userData(ticket, first), tags: order.tags });
      // Nobody would let them in.
      if (this.#over.signal.aborted) throw closedError();
      expect(party(template.account));
      const { instances, refusals } = await this.#surely({ ...order, template });
      for (const { id } of instances) {
        const wish = open.shift();
        if (!wish) break;
        given.set(id, wish);
        wish.launched(id);
      }
      // More than were asked for: nobody's.
      for (const { id } of instances.slice(order.count)) end(id);
      return refusals;
    } finally {
      answered.resolve([...given.keys()]);
      this.#track(this.#tidy(template, settled));
    }
  }

  /** With the same token, so that an answer that was lost is given again and nothing is launched twice. */
  async #surely(order: Parameters<Ec2Api["launch"]>[0]): Promise<FleetOutcome> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#deps.api.launch(order);
      } catch (error) {
        const { kind, reason, message } = error as Ec2Error;
        if (kind === "capacity") return { instances: [], refusals: [{ code: reason, message, offer: undefined }] };
        if ((kind !== "transient" && kind !== "throttled") || tries === mostTries) throw error;
        await this.#pause(pauseMs * 2 ** tries * (0.5 + Math.random()));
        if (this.#over.signal.aborted) throw error;
      }
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#over;
    return new Promise((resolve) => {
      const go = (): void => {
        timer.cancel();
        signal.removeEventListener("abort", go);
        resolve();
      };
      const timer = this.#deps.clock.timer(ms, go);
      signal.addEventListener("abort", go);
    });
  }

  async #tidy(template: Template | undefined, settled: () => Promise<void>): Promise<void> {
    try {
      if (template) await this.#deps.api.removeTemplate(template);
      await settled();
    } catch (error) {
      this.#deps.trouble(error);
    }
  }
}

const closedError = (): Error => new Error("Cannot launch instances: their pools have been closed");

type Refusal = FleetOutcome["refusals"][number];

/** What cannot be helped by waiting comes before what can. */
function refused(count: number, refusals: readonly (Refusal & { readonly market: Market })[]): Ec2Error {
  const doing = `launch ${count} ${count === 1 ? "instance" : "instances"}`;
  const worst = refusals.find(({ code }) => kindOf(code) !== "capacity");
  if (worst) return ec2Error(doing, worst.code, worst.message);
  const words = refusals.map(
    ({ offer, market, code }) => `${offer ? `${offer.type} in ${offer.zone}` : "all"} (${market}): ${code}`,
  );
  const all = [...new Set(words)];
  const shown = [...all.slice(0, mostShown), ...(all.length > mostShown ? [`and ${all.length - mostShown} more`] : [])];
  return ec2Error(
    doing,
    "InsufficientInstanceCapacity",
    shown.join(", ") || "all were refused less than three minutes ago",
  );
}
