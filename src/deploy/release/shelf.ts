/**
 * Releases that lie unpacked in a folder of this machine, for whatever can use them in place: `<folder>/node-<sha256 of its layer>`, which many
 * releases share, and `<folder>/app-<id of the release>`. What is there is whole and was checked; nothing in it is changed any more.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../ports/clock.ts";
import type { StoreDriver } from "../../ports/store.ts";
import type { Layer } from "./manifest.ts";
import { readManifest, unpackLayers } from "./unpack.ts";

export interface ShelfOptions {
  readonly folder: string;
  readonly clock: Clock;
}

/** Where things are on this machine, and where they belong. */
export interface Shelved {
  readonly folders: readonly { readonly source: string; readonly target: string }[];
  /** The application, the Node binary and what is run first, where they belong. */
  readonly root: string;
  readonly node: string;
  readonly agent: string;
}

/** What nobody has used for so long goes. */
const unusedMs = 7 * 24 * 3_600_000;
const keptMs = 30 * 24 * 3_600_000;
const ours = /^(?:node|app)-[0-9a-f]{64}(?:\.[\w-]+)?$/;

export class Shelf {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #used = new Set<string>();

  constructor({ folder, clock }: ShelfOptions) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /**
   * Gets a release out of a store, unless it is here. Whoever does the same at the same time, in another process too, has the same.
   *
   * @throws ReleaseError when it is not there, or is not what it says it is; StoreError.
   */
  async take(id: string, driver: StoreDriver, signal?: AbortSignal): Promise<Shelved> {
    const manifest = await readManifest(id, driver, signal);
    const node = manifest.layers.find(({ name }) => name === "node")!;
    const rest = manifest.layers.filter((layer) => layer !== node);
    const [nodeFolder, appFolder] = await Promise.all([
      this.#lay(`node-${node.sha256}`, [node], driver, signal),
      this.#lay(`app-${id}`, rest, driver, signal),
    ]);
    return {
      folders: [
        { source: join(nodeFolder, node.path), target: node.path },
        { source: join(appFolder, manifest.root), target: manifest.root },
      ],
      root: manifest.root,
      node: join(node.path, "bin/node"),
      agent: join(manifest.root, manifest.agent),
    };
  }

  /** What this process has taken is in use; what nobody has taken for a week is removed, with what was left half-way. */
  async tidy(): Promise<void> {
    const now = this.#clock.wall();
    const seconds = now / 1000;
    const touched = [...this.#used].map((name) => utimes(join(this.#folder, name), seconds, seconds));
    // Others do the same at the same time.
    await Promise.all(touched.map((each) => each.catch(unlessGone)));
    for (const name of await readdir(this.#folder)) {
      if (!ours.test(name)) continue;
      const path = join(this.#folder, name);
      try {
        // Under another name first: nobody takes one of which a part is gone.
        if ((await stat(path)).mtimeMs < now - unusedMs) await discard(path);
      } catch (error) {
        unlessGone(error);
      }
    }
  }

  async #lay(name: string, layers: readonly Layer[], driver: StoreDriver, signal?: AbortSignal): Promise<string> {
    const place = join(this.#folder, name);
    this.#used.add(name);
    if (await isThere(place)) return place;
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    const making = await mkdtemp(`${place}.`);
    try {
      await unpackLayers(layers, driver, making, signal);
      await rename(making, place);
    } catch (error) {
      // Somebody else was faster, and has the same.
      if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    } finally {
      await rm(making, { recursive: true, force: true });
    }
    return place;
  }
}

/**
 * Removes what has been in a store for a month: releases that were packed for this machine alone. What of it is still needed is packed again
 * when it is missed.
 */
export async function forgetOld(driver: StoreDriver, clock: Clock): Promise<void> {
  let after: string | undefined;
  for (;;) {
    const { objects, more } = await driver.list("", { after });
    for (const { key, modified } of objects) if (modified < clock.wall() - keptMs) await driver.remove(key);
    if (!more || objects.length === 0) return;
    after = objects.at(-1)!.key;
  }
}

function unlessGone(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

async function isThere(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory();
  } catch {
    return false;
  }
}

async function discard(path: string): Promise<void> {
  const going = path.replace(/(\.[\w-]+)?$/, `.gone-${process.pid}`);
  await rename(path, going);
  await rm(going, { recursive: true, force: true });
}
