/**
 * What layers came to, so that those of which no file has changed are not read again: `<folder>/<layer of a root>.json`. It holds no contents, and
 * can be deleted at any time.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fingerprint, type LayerPlan } from "./layer.ts";
import type { Layer } from "./manifest.ts";

/** Times of files are as coarse as this on some file systems: what was changed just now may be changed again unseen. */
const coarseNs = 2_000_000_000n;

/** `$XDG_CACHE_HOME/tinderbox/releases`, else below `~/.cache`. */
export function defaultCache(): string {
  const cache = process.env["XDG_CACHE_HOME"];
  return join(cache?.startsWith("/") ? cache : join(homedir(), ".cache"), "tinderbox", "releases");
}

export class LayerCache {
  readonly #folder: string | undefined;

  /** Without a folder it knows nothing and keeps nothing. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** What a layer came to when its files were as they are now. */
  async find(plan: LayerPlan): Promise<Layer | undefined> {
    if (this.#folder === undefined) return undefined;
    try {
      const record = JSON.parse(await readFile(this.#fileOf(plan), "utf8")) as {
        key?: unknown;
        layer?: Partial<Layer>;
      };
      const { layer } = record;
      if (record.key !== fingerprint(plan) || layer?.name !== plan.name || layer.path !== plan.path) return undefined;
      const numbers = [layer.bytes, layer.unpackedBytes, layer.entries];
      if (!/^[0-9a-f]{64}$/.test(layer.sha256 ?? "") || !numbers.every(Number.isSafeInteger)) return undefined;
      return layer as Layer;
    } catch {
      // None yet, or not a whole one.
      return undefined;
    }
  }

  /** `nowNs` is when the files were looked at, by the clock of file systems. A cache that cannot be written is none. */
  async keep(plan: LayerPlan, layer: Layer, nowNs: bigint): Promise<void> {
    if (this.#folder === undefined) return;
    if (plan.entries.some(({ state }) => state !== undefined && state.ctimeNs + coarseNs > nowNs)) return;
    const file = this.#fileOf(plan);
    const unfinished = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeFile(unfinished, JSON.stringify({ key: fingerprint(plan), layer }), { mode: 0o600, flag: "wx" });
      await rename(unfinished, file);
    } catch {
      await rm(unfinished, { force: true }).catch(() => undefined);
    }
  }

  #fileOf({ name, path, entries }: LayerPlan): string {
    const about = [name, path, name === "node" ? entries.map(({ source }) => source) : []];
    return join(this.#folder!, `${createHash("sha256").update(JSON.stringify(about)).digest("hex").slice(0, 32)}.json`);
  }
}
