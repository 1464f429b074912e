import type { Credentials } from "../s3/authenticate.ts";
import { listen } from "./api/endpoint.ts";
import { type Account, makeAccount, type Quota, tagsOf, type Times } from "./api/state/account.ts";
import type { Capacity, Market, Prices } from "./api/state/capacity.ts";
import {
  defaultGroups,
  defaultImages,
  defaultSubnets,
  defaultTypes,
  type Image,
  type InstanceType,
  type Subnet,
} from "./api/state/catalogue.ts";
import type { Instance, StateName } from "./api/state/instance.ts";
import { Lifecycle } from "./api/state/lifecycle.ts";
import { MachineFaultList } from "./api/state/machine-faults.ts";
import { type Rules, strict } from "./api/state/rules.ts";
import { defaultLimits, type Limits, Throttle } from "./api/state/throttle.ts";
import { type CloudCall, Calls } from "./api/wire/calls.ts";
import { CloudFaults } from "./api/wire/faults.ts";
import { type PrincipalOptions, Principals } from "./api/wire/principals.ts";
import type { HostedMachine, MachineHost } from "./machine-host.ts";

export interface CloudOptions {
  /** Boots what instances are. @default none: instances answer, and nothing boots */
  readonly machines?: MachineHost;
  /** Address to listen on. @default "127.0.0.1" */
  readonly host?: string;
  /** @default "us-east-1" */
  readonly region?: string;
  /** @default "123456789012" */
  readonly accountId?: string;
  /** How long things take, in milliseconds. @default 20 pending, 20 shutting down, 20 stopping, an hour listed after that, no lag */
  readonly times?: Partial<Times>;
  /** What TerminateInstances does with an instance that is not listed yet. @default "works" */
  readonly unlistedTerminate?: "works" | "notFound";
  /** Sizes of the token buckets. @default as EC2 documents them: see `Limits` */
  readonly limits?: Partial<Limits>;
  /** Virtual CPUs that may live at a time. @default no limit */
  readonly quota?: Partial<Quota>;
  /** Instance types beside those of `catalogue.ts`. */
  readonly types?: Readonly<Record<string, InstanceType>>;
  /** Images beside the two of `catalogue.ts`. */
  readonly images?: Readonly<Record<string, Image>>;
  /** Subnets by id. @default one of 4091 addresses in each of three zones */
  readonly subnets?: Readonly<Record<string, Subnet>>;
  /** Security groups, id to name. @default "default" and "runners" */
  readonly groups?: Readonly<Record<string, string>>;
  /** Instance profiles, each with a role of its name. @default ["runner"] */
  readonly roles?: readonly string[];
  /** @default none */
  readonly keyPairs?: readonly string[];
  /** How far the endpoint's clock is ahead, in milliseconds. @default 0 */
  readonly clockOffsetMs?: number;
}

/** An instance as it is, whatever the API shows of it. */
export interface CloudInstance {
  readonly id: string;
  readonly state: StateName;
  /** Code of the reason for its state. */
  readonly reason: string | undefined;
  readonly type: string;
  readonly zone: string;
  readonly subnetId: string;
  readonly market: Market;
  readonly privateIp: string;
  readonly imageId: string;
  readonly userData: Buffer;
  readonly tags: Readonly<Record<string, string>>;
  readonly launchedMs: number;
  readonly clientToken: string;
  readonly fleetId: string | undefined;
}

/** An EC2 endpoint in this process, with the account behind it. */
export interface Cloud extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, for the SDK's `endpoint`. */
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  /** Makes credentials of somebody who may do what `actions` says. */
  credentials(name: string, options?: PrincipalOptions): Credentials;
  /** Every request, in order of arrival. */
  readonly calls: readonly CloudCall[];
  /** The requests for one action. */
  callsOf(action: string): readonly CloudCall[];
  /** All instances that ever were, past all lag. */
  instances(): readonly CloudInstance[];
  /** What runs an instance; undefined while nothing does. */
  machine(id: string): HostedMachine | undefined;
  /** What goes wrong with requests. */
  readonly faults: CloudFaults;
  /** What goes wrong with machines. */
  readonly machineFaults: MachineFaultList;
  readonly capacity: Capacity;
  readonly prices: Prices;
  readonly throttle: Throttle;
  readonly quota: Quota;
  /** Takes a spot instance back after a notice. @default noticeMs 120000 */
  interrupt(id: string, noticeMs?: number): void;
  /** For an instance without a machine: it shuts itself down. */
  powerOff(id: string): void;
  /**
   * Lets time pass for all that is counted in time: states, lags, buckets of tokens. Clocks by which signatures and
   * credentials are judged, and that of an interruption, stay as they are.
   */
  advance(ms: number): void;
  /** Ends all machines and connections. The machine host stays open. May be called more than once. */
  close(): Promise<void>;
}

/**
 * Starts an EC2 endpoint in this process, for the unmodified SDK. Rejects when the address to listen on cannot be had.
 *
 * @example
 * await using cloud = await startCloud({ machines, subnets: machines.subnets("us-east-1") });
 * const client = new EC2Client({ ...cloud, credentials: cloud.credentials("parent") });
 * cloud.faults.add({ kind: "lostReply", action: "CreateFleet" });
 * cloud.capacity.set({ type: "c5.large", market: "spot" }, 0);
 */
export function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  return startWithRules(options, strict);
}

function accountOf(options: CloudOptions, rules: Rules, now: () => number): Account {
  const { region = "us-east-1", accountId = "123456789012" } = options;
  const times = { pendingMs: 20, shuttingDownMs: 20, stoppingMs: 20, terminatedListedMs: 3_600_000 };
  return makeAccount({
    region,
    accountId,
    rules,
    now,
    times: { ...times, unlistedMs: 0, staleMs: 0, ...options.times },
    unlistedTerminate: options.unlistedTerminate ?? "works",
    quota: { onDemandVcpus: Infinity, spotVcpus: Infinity, ...options.quota },
    throttle: new Throttle({ ...defaultLimits, ...options.limits }, now),
    machines: options.machines,
    machineFaults: new MachineFaultList(),
    types: new Map(Object.entries({ ...defaultTypes, ...options.types })),
    images: new Map(Object.entries({ ...defaultImages, ...options.images })),
    subnets: new Map(Object.entries(options.subnets ?? defaultSubnets(region))),
    groups: new Map(Object.entries(options.groups ?? defaultGroups)),
    roles: new Set(options.roles ?? ["runner"]),
    keyPairs: new Set(options.keyPairs ?? []),
  });
}

function factsOf(account: Account, instance: Instance): CloudInstance {
  const { facts, market } = instance;
  const { plan, reservation, privateIp, launchedMs } = facts;
  const { state, reason } = instance.at(account.now());
  return {
    id: facts.id,
    state,
    reason: reason?.code,
    type: plan.type,
    zone: plan.zone,
    subnetId: plan.subnetId,
    market,
    privateIp,
    imageId: plan.imageId,
    userData: plan.userData,
    tags: Object.fromEntries(tagsOf(account, facts.id, "instance")),
    launchedMs,
    clientToken: reservation.clientToken,
    fleetId: reservation.fleetId,
  };
}

/** As `startCloud`, but not as strict: for mutants only. */
export async function startWithRules(options: CloudOptions, rules: Rules): Promise<Cloud> {
  const clock = () => Date.now() + (options.clockOffsetMs ?? 0);
  let aheadMs = 0;
  const account = accountOf(options, rules, () => clock() + aheadMs);
  const lifecycle = new Lifecycle(account);
  const principals = new Principals(account.accountId, clock);
  const calls = new Calls();
  const faults = new CloudFaults();
  const closing = new AbortController();
  const shared = { account, clock, lifecycle, principals, calls, faults, signal: closing.signal };
  const endpoint = await listen(shared, options.host ?? "127.0.0.1");

  const instanceOf = (id: string): Instance => {
    const found = account.instances.get(id);
    if (!found) throw new Error(`Cannot find instance ${id}: there never was one`);
    return found;
  };
  let closed: Promise<void> | undefined;
  const shut = async () => {
    closing.abort();
    faults.clear();
    await endpoint.close();
    await lifecycle.close();
  };
  const close = () => (closed ??= shut());

  return {
    endpoint: endpoint.url,
    region: account.region,
    accountId: account.accountId,
    credentials: (name, wanted) => principals.add(name, wanted),
    get calls() {
      return calls.log;
    },
    callsOf: (action) => calls.log.filter((one) => one.action === action),
    instances: () => [...account.instances.values()].map((one) => factsOf(account, one)),
    machine: (id) => instanceOf(id).machine,
    faults,
    machineFaults: account.machineFaults,
    capacity: account.capacity,
    prices: account.prices,
    throttle: account.throttle,
    quota: account.quota,
    interrupt: (id, noticeMs = 120_000) => lifecycle.interrupt(instanceOf(id), noticeMs),
    powerOff: (id) => lifecycle.powerOff(instanceOf(id)),
    advance(ms) {
      aheadMs += ms;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
