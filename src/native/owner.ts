/** What all programs of this process share: the folder of their control groups, and the watchdog while any of them runs. */
import { CommandError } from "../errors.ts";
import { ownMark } from "../mark.ts";
import { show } from "../options.ts";
import type { Clock } from "../ports/clock.ts";
import type { Timer } from "../ports/clock.ts";
import { Cgroup, type Hierarchies, findHierarchies, removeGroup } from "./cgroup.ts";
import type { ResolvedLimits } from "./limits.ts";
import { reapDead } from "./reap.ts";
import { Watchdog } from "./watchdog.ts";

export interface OwnerDeps {
  readonly clock: Clock;
  /** False: as on a system without control groups. */
  readonly groups: boolean;
  /** Something is said once: a limit of this name is not enforced. */
  readonly unenforced: (limit: string, name: string) => void;
  /** These processes of a program that has ended cannot be killed. */
  readonly stray: (name: string, pids: readonly number[]) => void;
}

let owners = 0;
/** Once in the life of a process. */
let reaped = false;
const reapMs = 500;

/** The next program often starts soon. */
const lingerMs = 1_000;

export class Owner {
  readonly #deps: OwnerDeps;
  #hierarchies: Hierarchies | undefined;
  #watchdog: Watchdog | undefined;
  /** Of those of this process: what one removes is not another's. */
  readonly #number = ++owners;
  #programs = 0;
  #groups = 0;
  #linger: Timer | undefined;
  readonly #said = new Set<string>();

  constructor(deps: OwnerDeps) {
    this.#deps = deps;
  }

  /** Made before the folders are: whoever is killed in between leaves none. */
  get watchdog(): Watchdog {
    return (this.#watchdog ??= new Watchdog(this.#folders()));
  }

  /**
   * Before a program is started. The result is called when nothing is left of it.
   *
   * @throws CommandError when there can be no watchdog: a program that nobody watches could outlive us.
   */
  enter(command: string): () => void {
    this.watchdog.start();
    if (this.watchdog.pid === undefined) {
      const what = "the system has no process or file descriptor left for its watchdog";
      throw new CommandError(`Cannot start ${show(command)}: ${what}; see ulimit -u and ulimit -n`, { command });
    }
    this.#programs++;
    this.#linger?.cancel();
    // Beside the work of this process, and not for one that ends at once.
    if (!reaped) this.#deps.clock.timer(reapMs, () => reapDead(this.#folders()));
    reaped = true;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      if (--this.#programs === 0) this.#linger = this.#deps.clock.timer(lingerMs, () => this.#close());
    };
  }

  /** @throws CommandError when a limit cannot be enforced and is strict. */
  cgroup(limits: ResolvedLimits, name: string): Cgroup | undefined {
    const hierarchies = (this.#hierarchies ??= this.#find());
    const cgroup = new Cgroup(hierarchies, String(++this.#groups), limits);
    // Memory has another way: see wrapperOf.
    const refused = cgroup.refused.filter((controller) => controller !== "memory");
    if (refused.length > 0 && limits.strict) {
      cgroup.remove();
      throw new CommandError(
        `Cannot start ${name}: this system cannot enforce its limits of ${refused.join(", ")}; run it where control groups can be made, or without "strict"`,
        { command: name },
      );
    }
    for (const controller of refused) {
      if (this.#said.has(controller)) continue;
      this.#said.add(controller);
      this.#deps.unenforced(controller, name);
    }
    return cgroup.contains ? cgroup : undefined;
  }

  #find(make?: (folder: string) => boolean): Hierarchies {
    if (!this.#deps.groups) return { unified: undefined, unifiedControllers: new Set(), legacy: new Map() };
    return findHierarchies(`tinderbox-${ownMark}.${this.#number}`, make);
  }

  /** Where groups are made, and those of version 1 that are not needed in the end. */
  #folders(): string[] {
    const { unified, legacy } = this.#find(() => true);
    return [...(unified === undefined ? [] : [unified]), ...legacy.values()];
  }

  #close(): void {
    this.#watchdog?.stop();
    this.#watchdog = undefined;
    for (const folder of this.#folders()) removeGroup(folder);
    this.#hierarchies = undefined;
  }
}
