/**
 * What a release is made of, as the machines read it. Layers are named by the sha256 of their bytes, the release by that of its manifest:
 * who knows the id of a release can check all of it.
 *
 * `layers/<sha256>.tar.gz`, `releases/<id>.json`
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { ReleaseError } from "../../errors.ts";

export const layerNames = ["node", "dependencies", "app"] as const;
export type LayerName = (typeof layerNames)[number];

export interface Layer {
  readonly name: LayerName;
  /** Of the compressed bytes, as 64 hexadecimal digits. */
  readonly sha256: string;
  /** How many compressed bytes there are. */
  readonly bytes: number;
  /** The sizes of all files in it, together. */
  readonly unpackedBytes: number;
  /** How many files, folders and links are in it. */
  readonly entries: number;
  /** The absolute folder that it is unpacked into. */
  readonly path: string;
}

export interface ReleaseManifest {
  readonly format: 1;
  /** The version of Node in it, such as "v24.9.0". */
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  /** The absolute folder of the application, the same on every machine. */
  readonly root: string;
  readonly layers: readonly Layer[];
  /** What a machine runs first: a file relative to `root`. */
  readonly agent: string;
}

/** Where the Node binary is on a machine, as `bin/node`. */
export const nodeFolder = "/opt/tinderbox/node";

export const layerKey = (sha256: string): string => `layers/${sha256}.tar.gz`;
export const manifestKey = (id: string): string => `releases/${id}.json`;

/** A manifest in the one order that there is, its bytes, and the id that they give the release. */
export function encodeManifest(given: ReleaseManifest): {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly manifest: ReleaseManifest;
} {
  const { format, node, platform, arch, root, agent } = given;
  const ordered = layerNames.flatMap((name) => given.layers.filter((layer) => layer.name === name));
  const layers = ordered.map(({ name, sha256, bytes, unpackedBytes, entries, path }) => {
    return { name, sha256, bytes, unpackedBytes, entries, path };
  });
  const manifest: ReleaseManifest = { format, node, platform, arch, root, layers, agent };
  const bytes = Buffer.from(`${JSON.stringify(manifest)}\n`);
  return { id: createHash("sha256").update(bytes).digest("hex"), bytes, manifest };
}

/**
 * A manifest as it comes from a store.
 *
 * @throws ReleaseError when its bytes are not those of `id`, or are no manifest that this version knows.
 */
export function decodeManifest(bytes: Uint8Array, id: string): ReleaseManifest {
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== id) throw refused(id, `its sha256 is ${found}; pack it again`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw refused(id, "its manifest is no JSON; pack it again", cause);
  }
  checkManifest(parsed, id);
  return parsed;
}

const digits = /^[0-9a-f]{64}$/;
const size = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** @throws ReleaseError for what is no manifest. Who made it is not trusted. */
export function checkManifest(value: unknown, id = "manifest"): asserts value is ReleaseManifest {
  const manifest = value as Partial<Record<keyof ReleaseManifest, unknown>> | null;
  const wrong = (what: string): ReleaseError => refused(id, `${what}; pack it again with this version`);
  if (typeof manifest !== "object" || manifest === null) throw wrong("its manifest is no object");
  if (manifest.format !== 1) throw wrong("its format is not 1, the only one that this version knows");
  for (const key of ["node", "platform", "arch"] as const)
    if (typeof manifest[key] !== "string" || !/^[\w.-]{1,64}$/.test(manifest[key])) throw wrong(`its "${key}" is none`);
  if (!isAbsolute(manifest.root)) throw wrong('its "root" is no absolute folder');
  if (!isInside(manifest.agent)) throw wrong('its "agent" is no path inside of it');
  const layers = manifest.layers;
  if (!Array.isArray(layers)) throw wrong("it has no layers");
  for (const layer of layers as (Partial<Record<keyof Layer, unknown>> | null)[])
    checkLayer(layer, manifest.root, wrong);
  const names = (layers as Layer[]).map(({ name }) => name);
  if (layers.length !== layerNames.length || layerNames.some((name) => !names.includes(name)))
    throw wrong(`it has to have the layers ${layerNames.join(", ")}, once each`);
}

function checkLayer(
  layer: Partial<Record<keyof Layer, unknown>> | null,
  root: unknown,
  wrong: (what: string) => ReleaseError,
): void {
  const whole =
    typeof layer === "object" &&
    layer !== null &&
    typeof layer.sha256 === "string" &&
    digits.test(layer.sha256) &&
    size(layer.bytes) &&
    size(layer.unpackedBytes) &&
    size(layer.entries) &&
    layerNames.includes(layer.name as LayerName);
  if (!whole) throw wrong("a layer of it is incomplete");
  if (layer.path !== (layer.name === "node" ? nodeFolder : root)) throw wrong("a layer of it is for another folder");
}

const isAbsolute = (path: unknown): path is string =>
  typeof path === "string" && posix.isAbsolute(path) && posix.normalize(path) === path && !/.\/$|\0/.test(path);

const isInside = (path: unknown): path is string => typeof path === "string" && isPlainPath(path);

/** A relative path that goes down only, written in the one way that there is. */
export function isPlainPath(path: string): boolean {
  return !path.includes("\0") && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function refused(id: string, what: string, cause?: unknown): ReleaseError {
  return new ReleaseError(`Cannot use release ${id}: ${what}`, cause === undefined ? {} : { cause });
}
