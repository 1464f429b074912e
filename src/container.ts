/**
 * `tinderbox/container`: runners in containers of podman or Docker, by the engine's socket.
 *
 * @example
 * import { flame, pool } from "tinderbox";
 * import { container } from "tinderbox/container";
 * const media = pool("media", { backend: container({ memory: "512mb", cpus: 1 }), max: 4 });
 * const thumb = await flame(() => resize(video), { pool: media });
 */
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ContainerSite } from "./backends/container/backend.ts";
import { findEngine } from "./backends/container/find.ts";
import {
  type ContainerOptions,
  type ResolvedContainerOptions,
  resolveContainerOptions,
} from "./backends/container/options.ts";
import type { Laid } from "./backends/container/spec.ts";
import { Sweeper } from "./backends/container/sweep.ts";
import { remoteBackend, type RemoteSite } from "./backends/remote/site.ts";
import { sweeps } from "./backends/remote/sweeps.ts";
import { systemClock } from "./clock.ts";
import { defaultCache } from "./deploy/release/cache.ts";
import { forgetOld, Shelf } from "./deploy/release/shelf.ts";
import { events } from "./events/index.ts";
import type { Backend } from "./ports/backend.ts";
import type { StoreDriver } from "./ports/store.ts";
import { application, openReleases } from "./release.ts";
import { openGate } from "./transport/gate.ts";

export type { ContainerMount, ContainerOptions, ContainerRelease } from "./backends/container/options.ts";
export { ContainerError, ReleaseError } from "./errors.ts";

const idleMs = 60_000;
/** Names that engines give to the machine that they run on. */
const gateways = ["host.containers.internal", "host.docker.internal"];

/**
 * Runners in containers. The engine is not spoken to before the first runner is needed; then the application is packed into a release, which
 * is kept unpacked in a folder of this machine and seen by all containers, read-only; the image is pulled when it is missing.
 *
 * Containers run as an unprivileged user without capabilities, on a read-only root with a /tmp of their own. They end when they are idle,
 * when this process ends or is lost, and when a later parent finds that theirs is gone.
 *
 * @throws TypeError for options that make no sense. What the engine refuses is the cause of a `BootError`.
 * @example
 * const backend = container({ image: "docker.io/library/node:24-slim", memory: "1gb", cpus: 2, pids: 256 });
 */
export function container(options: ContainerOptions = {}): Backend {
  const resolved = resolveContainerOptions(options);
  const { max, processes } = resolved;
  return remoteBackend({
    name: "container",
    defaults: { max, processes, concurrency: 1, idleMs, onParentLoss: "kill", remote: true },
    open: () => openSite(resolved),
    trouble,
  });
}

function trouble(error: unknown): void {
  events.emit("backend.trouble", { backend: "container", error });
}

async function openSite(options: ResolvedContainerOptions): Promise<RemoteSite> {
  const clock = systemClock;
  const { engine, network, release, windowMs } = options;
  const api = await findEngine(engine, process.env, clock);
  // Whoever shares this machine's network needs no other way to it.
  const here = network === "host" && options.host === undefined;
  const host = here ? "127.0.0.1" : options.host;
  const gate = await openGate({
    clock,
    windowMs,
    ...(host === undefined ? {} : { host }),
    listen: here ? { host: "127.0.0.1" } : {},
  });
  const port = gate.address.slice(gate.address.lastIndexOf(":"));
  const others = host === undefined ? gateways.map((name) => `${name}${port}`) : [];
  const folder = release.cache ?? join(dirname(defaultCache()), "containers");
  // Packed here, they are in a folder beside those that lie unpacked.
  const packed = pathToFileURL(join(folder, "packed")).href;
  const store = (): StoreDriver => openReleases(release.from ?? packed)!;
  const app = application({ id: release.id, root: release.root, node: release.node, arch: process.arch, store });
  const shelf = new Shelf({ folder, clock });
  const closed = new AbortController();
  const taken = new Map<string, Promise<Laid>>();
  const lay = async (): Promise<Laid> => {
    const id = await app.release();
    const found = taken.get(id) ?? fromStore(store(), (driver) => shelf.take(id, driver, closed.signal));
    taken.set(id, found);
    found.catch(() => taken.delete(id));
    return found;
  };
  // Before the first container waits for it; that one then hears of a failure.
  lay().catch(() => undefined);
  const sweeper = new Sweeper(api, clock);
  const look = async (): Promise<void> => {
    await sweeper.look();
    if (taken.size > 0) await shelf.tidy();
    if (release.from === undefined) await fromStore(store(), (driver) => forgetOld(driver, clock));
  };
  const stopSweeps = sweeps({ clock, trouble, look, againMs: sweeper.againMs });
  return new ContainerSite({
    clock,
    options,
    api,
    gate,
    addresses: [gate.address, ...others],
    release: lay,
    pulling: (text) => events.emit("release.notice", { text }),
    trouble,
    async close() {
      stopSweeps();
      app.close();
      closed.abort();
      await gate.close();
    },
  });
}

async function fromStore<T>(driver: StoreDriver, use: (driver: StoreDriver) => Promise<T>): Promise<T> {
  try {
    return await use(driver);
  } finally {
    await driver.close();
  }
}
