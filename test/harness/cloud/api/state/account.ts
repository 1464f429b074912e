import { randomBytes } from "node:crypto";
import type { MachineHost } from "../../machine-host.ts";
import { Addresses } from "./addresses.ts";
import { Capacity, Prices } from "./capacity.ts";
import type { Image, InstanceType, Subnet } from "./catalogue.ts";
import type { Instance } from "./instance.ts";
import type { MachineFaultList } from "./machine-faults.ts";
import type { Rules } from "./rules.ts";
import type { Template } from "./template.ts";
import type { Throttle } from "./throttle.ts";
import { Tokens } from "./tokens.ts";

/** How long things take, in milliseconds. */
export interface Times {
  /** From the request until an instance runs, at least. */
  readonly pendingMs: number;
  readonly shuttingDownMs: number;
  readonly stoppingMs: number;
  /** How long a terminated instance is still listed. */
  readonly terminatedListedMs: number;
  /** Until a new instance is listed. */
  readonly unlistedMs: number;
  /** How old the states are that are shown. */
  readonly staleMs: number;
}

export interface Quota {
  /** Virtual CPUs of all instances on demand that live at a time. */
  onDemandVcpus: number;
  spotVcpus: number;
}

/** A tag list that belongs to something that is no instance. */
export interface Tagged {
  readonly type: string;
  readonly tags: Map<string, string>;
}

/** Everything that one account has in one region. */
export interface Account {
  readonly region: string;
  readonly accountId: string;
  readonly rules: Rules;
  readonly times: Times;
  /** What an instance that is not listed yet answers to TerminateInstances. */
  readonly unlistedTerminate: "works" | "notFound";
  readonly quota: Quota;
  readonly capacity: Capacity;
  readonly prices: Prices;
  readonly throttle: Throttle;
  readonly tokens: Tokens;
  readonly machines: MachineHost | undefined;
  readonly machineFaults: MachineFaultList;
  readonly types: ReadonlyMap<string, InstanceType>;
  readonly images: ReadonlyMap<string, Image>;
  readonly subnets: ReadonlyMap<string, Subnet>;
  readonly addresses: ReadonlyMap<string, Addresses>;
  readonly groups: ReadonlyMap<string, string>;
  readonly roles: ReadonlySet<string>;
  readonly keyPairs: ReadonlySet<string>;
  readonly instances: Map<string, Instance>;
  readonly templates: Map<string, Template>;
  /** Tags by the id of what has them. */
  readonly tagged: Map<string, Tagged>;
  now(): number;
}

export type AccountParts = Omit<
  Account,
  "capacity" | "prices" | "tokens" | "addresses" | "instances" | "templates" | "tagged"
>;

export function makeAccount(parts: AccountParts): Account {
  const tagged = new Map<string, Tagged>();
  for (const id of parts.subnets.keys()) tagged.set(id, { type: "subnet", tags: new Map() });
  for (const id of parts.images.keys()) tagged.set(id, { type: "image", tags: new Map() });
  for (const id of parts.groups.keys()) tagged.set(id, { type: "security-group", tags: new Map() });
  return {
    ...parts,
    capacity: new Capacity(),
    prices: new Prices(),
    tokens: new Tokens(parts.rules),
    addresses: new Map([...parts.subnets].map(([id, subnet]) => [id, new Addresses(id, subnet)])),
    instances: new Map(),
    templates: new Map(),
    tagged,
  };
}

/** A new id of EC2's form: `i-0` and 16 more hex digits. */
export function newId(prefix: string): string {
  return `${prefix}-0${randomBytes(8).toString("hex")}`;
}

/** The tags of something, which is made if it has none. */
export function tagsOf(account: Account, id: string, type: string): Map<string, string> {
  const found = account.tagged.get(id) ?? { type, tags: new Map<string, string>() };
  account.tagged.set(id, found);
  return found.tags;
}

/** Whether an instance is to be found at all: not too new, and not terminated for too long. */
export function isListed(account: Account, instance: Instance): boolean {
  const { times, rules } = account;
  const now = account.now();
  if (rules.lag && now < instance.facts.launchedMs + times.unlistedMs) return false;
  const { state, atMs } = instance.at(now);
  return state !== "terminated" || now < atMs + times.terminatedListedMs;
}

/** The state that is shown, which may be an old one. */
export function shownPhase(account: Account, instance: Instance) {
  return instance.at(account.now() - (account.rules.lag ? account.times.staleMs : 0));
}
