/**
 * `packRelease`: a project becomes a release, which machines can fetch, check and start.
 *
 * Plan what is in it, make or find each layer, bring what is missing into the store, and the manifest last: whoever sees a manifest
 * can have all of its layers.
 */
import { lstatSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../ports/clock.ts";
import type { StoreDriver } from "../../ports/store.ts";
import { agentOf } from "./agent.ts";
import { defaultCache, LayerCache } from "./cache.ts";
import type { Notice } from "./entry.ts";
import { buildLayer, type LayerPlan, unpackedBytes } from "./layer.ts";
import { encodeManifest, type Layer, layerKey, type LayerName, manifestKey, nodeFolder } from "./manifest.ts";
import type { ReleaseManifest } from "./manifest.ts";
import { addonNotices, nodeBinary } from "./node-binary.ts";
import { planRelease } from "./plan.ts";
import { isThere, uploadBytes, type UploadDeps, uploadFile } from "./upload.ts";

export interface PackOptions {
  /** The folder of the application. */
  readonly root: string;
  /** Where the release goes; whoever opened it closes it. Undefined: nowhere, it is only computed. */
  readonly driver: StoreDriver | undefined;
  readonly clock: Clock;
  /** False leaves everything as it is in the store: it is only asked what is there. Default: true. */
  readonly upload?: boolean | undefined;
  /** The path of the Node binary that machines run. Default: that of this process. */
  readonly node?: string | undefined;
  /** Of the machines. Default: "linux". */
  readonly platform?: string | undefined;
  /** Of the machines, as `process.arch` has it. Default: that of the binary. */
  readonly arch?: string | undefined;
  /** What a machine runs first, relative to `root`. Default: the machine process of the package "tinderbox" in the release. */
  readonly agent?: string | undefined;
  /** Where is kept what layers came to; false for nowhere. Default: `tinderbox/releases` in the user's cache folder. */
  readonly cache?: string | false | undefined;
  readonly onProgress?: ((progress: PackProgress) => void) | undefined;
  readonly onNotice?: ((notice: Notice) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How far it is. Of one layer after the other is told "pack", "upload" where it is needed, and "done"; layers go side by side. */
export type PackProgress =
  | {
      readonly step: "planned";
      readonly layers: readonly { readonly name: LayerName; readonly unpackedBytes: number }[];
    }
  | { readonly step: "pack" | "upload"; readonly layer: LayerName; readonly done: number; readonly total: number }
  | { readonly step: "done"; readonly layer: LayerName; readonly result: PackedLayer };

export interface PackedLayer extends Layer {
  /** "absent": it is not in the store, and was not to be brought there. */
  readonly outcome: "uploaded" | "there" | "absent";
  /** No file of it was read: none has changed since it was packed the last time. */
  readonly cached: boolean;
}

export interface Release {
  readonly id: string;
  readonly manifest: ReleaseManifest;
  readonly layers: readonly PackedLayer[];
  readonly notices: readonly Notice[];
  /** How many packages right below `node_modules` stayed behind, as those of `devDependencies` do. */
  readonly omitted: number;
}

/**
 * Packs a project, and brings what the store does not have yet into it. Nothing of the project is changed; temporary files are in the
 * system's temporary folder, and gone afterwards.
 *
 * @throws ReleaseError for what can be in no release; StoreError when the store cannot be read or written; the reason of `signal`.
 * @example
 * const release = await packRelease({ root: ".", driver, clock: systemClock, onNotice: ({ text }) => console.error(text) });
 * console.log(release.id);
 */
export async function packRelease(options: PackOptions): Promise<Release> {
  const { onNotice, platform = "linux", node = process.execPath, cache } = options;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  signal.throwIfAborted();
  const notices: Notice[] = [];
  const notice = (found: Notice): void => {
    notices.push(found);
    onNotice?.(found);
  };
  const folder = await mkdtemp(join(tmpdir(), `tinderbox-${process.pid}_pack-`));
  try {
    const nowNs = lstatSync(folder, { bigint: true }).ctimeNs;
    const binary = await nodeBinary({ node, platform, arch: options.arch, notice });
    const plan = await planRelease({ root: options.root, notice, signal });
    addonNotices(plan.dependencies, platform, binary.arch).forEach(notice);
    const { root } = plan;
    const agent = agentOf(plan, options.agent);
    const plans: LayerPlan[] = [
      { name: "node", path: nodeFolder, entries: binary.entries },
      { name: "dependencies", path: root, entries: plan.dependencies },
      { name: "app", path: root, entries: plan.app },
    ];
    const totals = plans.map(({ name, entries }) => ({ name, unpackedBytes: unpackedBytes(entries) }));
    options.onProgress?.({ step: "planned", layers: totals });
    const known = new LayerCache(cache === false ? undefined : (cache ?? defaultCache()));
    const work: Work = { ...options, signal, folder, known, nowNs };
    const layers = await allOf(
      plans.map((each) => bring(each, work)),
      stop,
    );
    const { id, bytes, manifest } = encodeManifest({
      format: 1,
      node: binary.version,
      platform,
      arch: binary.arch,
      root,
      layers,
      agent,
    });
    if (options.driver && options.upload !== false) {
      const target = { ...options, driver: options.driver, signal };
      await uploadBytes(bytes, { ...target, key: manifestKey(id), bytes: bytes.length });
    }
    return { id, manifest, layers, notices, omitted: plan.omitted };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Work extends PackOptions {
  readonly signal: AbortSignal;
  /** For temporary files. */
  readonly folder: string;
  readonly known: LayerCache;
  /** Before any file was looked at. */
  readonly nowNs: bigint;
}

/** Makes a layer, unless it is known and there, and brings it into the store. */
async function bring(plan: LayerPlan, work: Work): Promise<PackedLayer> {
  const { name } = plan;
  const { driver, clock, signal, onProgress, upload = true, known } = work;
  const deps: UploadDeps | undefined = driver && { driver, clock, signal };
  const there = async ({ sha256, bytes }: Layer): Promise<boolean> =>
    deps !== undefined && isThere(layerKey(sha256), bytes, deps);
  const result = (layer: Layer, outcome: PackedLayer["outcome"], cached: boolean): PackedLayer => {
    const done: PackedLayer = { ...layer, outcome, cached };
    onProgress?.({ step: "done", layer: name, result: done });
    return done;
  };
  const before = await known.find(plan);
  if (before) {
    if (await there(before)) return result(before, "there", true);
    if (!deps || !upload) return result(before, "absent", true);
  }
  const file = join(work.folder, name);
  const total = unpackedBytes(plan.entries);
  let done = 0;
  const onBytes = (more: number): void => onProgress?.({ step: "pack", layer: name, done: (done += more), total });
  const layer = await buildLayer(plan, { file, signal, onBytes });
  await known.keep(plan, layer, work.nowNs);
  if (await there(layer)) return result(layer, "there", false);
  if (!deps || !upload) return result(layer, "absent", false);
  const { bytes, sha256 } = layer;
  const sent = (so: number): void => onProgress?.({ step: "upload", layer: name, done: so, total: bytes });
  const outcome = await uploadFile(file, { ...deps, key: layerKey(sha256), bytes, onBytes: sent });
  return result(layer, outcome, false);
}

/** Of the first that fails the error; the others are stopped, and have ended by then. */
async function allOf<T>(works: readonly Promise<T>[], stop: AbortController): Promise<T[]> {
  try {
    return await Promise.all(works);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(works);
    throw error;
  }
}
