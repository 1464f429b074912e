/** What a case of the backend suite gets: the backend, a way in for its runners, and an end for all of it. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../../clock.ts";
import type { Backend, BootRequest } from "../../ports/backend.ts";
import type { Listener } from "../../ports/transport.ts";
import { Dock } from "../../wire/dock.ts";
import type { Case } from "../suite.ts";
import { Unable } from "../suite.ts";
import { pass, settled, until } from "../until.ts";
import { Guest, type Limits } from "./guest.ts";

/** A backend of its own for one case, and what its maker can say about its machines. */
export interface BackendUnderTest {
  readonly backend: Backend;
  /**
   * Whether process `pid` of that machine, by the number that it has there, still runs; without `pid` whether anything of
   * the machine is left. Cases that look at machines from outside are skipped, visibly, without it.
   */
  readonly isAlive?: (machine: string, pid?: number) => boolean | Promise<boolean>;
  /** A backend whose machines cannot be asked for, and whether trying again could help. Without it its case is skipped. */
  readonly impossible?: { readonly backend: Backend; readonly permanent: boolean };
  /** Called when the case is over, whatever became of it. */
  close?(): void | Promise<void>;
}

export type BackendCase = Case<BackendSubject>;

export interface BackendLimits extends Limits {
  /** See `BackendSuiteOptions`. */
  readonly aloneMs: number;
  /** See `BackendSuiteOptions`. */
  readonly aheadMs: number;
  /** A module that exports `make`, for parents of their own: see `BackendSuiteOptions`. */
  readonly module: string | undefined;
}

type Changes = Partial<Pick<BootRequest, "address" | "env" | "onParentLoss" | "lifetimeMs">> & {
  /** Whether its hello is answered. @default true */
  readonly welcomes?: boolean;
};

export class BackendSubject {
  readonly made: BackendUnderTest;
  readonly limits: BackendLimits;
  readonly guests: Guest[] = [];
  readonly #docks: Dock[] = [];
  readonly #ends: (() => void | Promise<void>)[] = [];
  listens = 0;

  constructor(made: BackendUnderTest, limits: BackendLimits) {
    this.made = made;
    this.limits = limits;
  }

  get backend(): Backend {
    return this.made.backend;
  }

  /** A place where runners come in. */
  dock(): Dock {
    const listen: Backend["listen"] = async (accept): Promise<Listener> => {
      this.listens++;
      return this.backend.listen(accept);
    };
    const dock = new Dock(listen, systemClock);
    this.#docks.push(dock);
    return dock;
  }

  /** What a machine is asked for with. */
  async guest(changes: Changes = {}, dock: Dock = this.#docks[0] ?? this.dock()): Promise<Guest> {
    const wanted = {
      runner: `conformance-${this.guests.length + 1}`,
      address: changes.address ?? (await dock.address()),
      token: randomBytes(32),
      env: changes.env ?? this.environment(),
      onParentLoss: changes.onParentLoss ?? "kill",
      lifetimeMs: changes.lifetimeMs ?? Infinity,
    };
    const guest = new Guest(wanted, this.limits);
    guest.welcomes = changes.welcomes ?? true;
    this.guests.push(guest);
    this.#ends.push(dock.expect(guest.token, (session) => ((guest.session = session), guest)));
    return guest;
  }

  /** What a pool gives its runners by itself. */
  environment(): Record<string, string> {
    if (this.backend.defaults.remote) return {};
    return Object.fromEntries(
      ofThisMachine.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]!]])),
    );
  }

  /** Asks for a machine, and gives it as soon as `boot` does. */
  async ask(changes?: Changes, dock?: Dock): Promise<Guest> {
    const guest = await this.guest(changes, dock);
    return guest.follow(await settled("boot resolve", this.limits.bootMs, this.backend.boot(guest)));
  }

  /** Boots a machine, and waits until calls may be sent. */
  async boot(changes?: Changes, dock?: Dock): Promise<Guest> {
    return (await this.ask(changes, dock)).up();
  }

  /** Whether something still runs on a machine; the case is skipped where nobody can tell. */
  alive(machine: string, pid?: number): Promise<boolean> {
    const { isAlive } = this.made;
    if (!isAlive) throw new Unable("its maker gives no isAlive, which looks at machines from outside");
    return Promise.resolve(isAlive(machine, pid));
  }

  /** Waits for the end of a process of a machine, or of all of it. */
  async vanishes(machine: string, pid?: number, withinMs = this.limits.endMs): Promise<void> {
    const what = pid === undefined ? `machine ${machine} gone` : `process ${pid} of machine ${machine} gone`;
    await until(what, withinMs, async () => !(await this.alive(machine, pid)));
  }

  /** Called in reverse order when the case is over. */
  later(end: () => void | Promise<void>): void {
    this.#ends.push(end);
  }

  /** Long enough for what has been caused already to show, where nothing tells that it will not. */
  calm(): Promise<void> {
    return pass(200);
  }

  async close(): Promise<void> {
    try {
      for (const end of this.#ends.toReversed()) await end();
      for (const { machine } of this.guests) attempt(() => machine?.kill());
      for (const dock of this.#docks) await dock.close();
      for (const guest of this.guests) guest.session?.destroy();
      // A backend that does not tell the end of its machines fails its own case, and is not to hold up the others.
      await Promise.race([Promise.all(this.guests.map(({ machine }) => machine?.exited.catch(() => {}))), pass(1_000)]);
    } finally {
      await this.made.close?.();
    }
  }
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // Its own case tells.
  }
}

/** Where things are; on another machine that means nothing. */
export const ofThisMachine: readonly string[] = ["PATH", "HOME", "TMPDIR"];
