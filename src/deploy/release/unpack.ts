/**
 * The other side of `packRelease`. No byte of a layer is looked at before all of them are known to be those that the
 * manifest names, and what comes out stays in its folder and within its figures.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, open, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createGunzip } from "node:zlib";
import { pipeline } from "node:stream";
import type { StoreDriver } from "../../ports/store.ts";
import { ReleaseError } from "../../errors.ts";
import { decodeManifest, type Layer, layerKey, manifestKey, type ReleaseManifest } from "./manifest.ts";
import { type ReadMember, readArchive } from "./tar-read.ts";

/**
 * Gets a manifest by its id.
 *
 * @throws ReleaseError when there is none, or another one.
 */
export async function readManifest(id: string, driver: StoreDriver, signal?: AbortSignal): Promise<ReleaseManifest> {
  if (!/^[0-9a-f]{64}$/.test(id))
    throw new ReleaseError(
      `Cannot use release ${JSON.stringify(id)}: an id is 64 hexadecimal digits; tinderbox pack prints it`,
    );
  const found = await driver.get(manifestKey(id), { signal });
  if (typeof found !== "object")
    throw new ReleaseError(`Cannot use release ${id}: it is not in ${driver.name}; pack it there`);
  return decodeManifest(found.body, id);
}

/**
 * Unpacks layers of a manifest that has been checked below `into`, which stands for the root of a machine's file system. Nothing may be
 * there yet but empty folders. What was unpacked stays when it fails half-way: remove `into` then.
 *
 * @throws ReleaseError when a layer is not there, is not what the manifest says, or holds what none may hold.
 */
export async function unpackLayers(
  layers: readonly Layer[],
  driver: StoreDriver,
  into: string,
  signal?: AbortSignal,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), `tinderbox-${process.pid}_unpack-`));
  const stop = new AbortController();
  const ending = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  try {
    const fetched = layers.map(async (layer) => {
      const file = join(folder, layer.name);
      await fetchLayer(layer, { driver, key: layerKey(layer.sha256), file, signal: ending });
      return file;
    });
    let files: string[];
    try {
      files = await Promise.all(fetched);
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(fetched);
      throw error;
    }
    const target = new Target(resolve(into));
    for (const [index, layer] of layers.entries()) await extract(layer, files[index]!, target, ending);
    await target.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Fetch {
  readonly driver: StoreDriver;
  readonly key: string;
  readonly file: string;
  readonly signal: AbortSignal;
}

async function fetchLayer({ name, sha256, bytes }: Layer, { driver, key, file, signal }: Fetch): Promise<void> {
  const refuse = (what: string): ReleaseError =>
    new ReleaseError(`Cannot use layer ${name} of ${driver.name}: ${what}; remove ${key} and pack again`);
  const found = await driver.read(key, { signal });
  if (typeof found !== "object")
    throw new ReleaseError(`Cannot use layer ${name} of ${driver.name}: ${key} is not there; pack again`);
  const sum = createHash("sha256");
  let count = 0;
  const target = await open(file, "wx", 0o600);
  try {
    for await (const piece of found.body) {
      count += piece.length;
      if (count > bytes) throw refuse(`it has more than ${bytes} bytes`);
      sum.update(piece);
      await target.writeFile(piece);
    }
  } finally {
    await target.close();
  }
  const seen = sum.digest("hex");
  if (seen !== sha256) throw refuse(`its sha256 is ${seen}, and ${sha256} is wanted`);
}

async function extract(layer: Layer, file: string, target: Target, signal: AbortSignal): Promise<void> {
  const gunzip = createGunzip();
  // Failures come out at the other end.
  pipeline(createReadStream(file), gunzip, () => undefined);
  try {
    await target.begin(layer.path);
    for await (const member of readArchive(gunzip, layer)) {
      signal.throwIfAborted();
      await target.add(layer.path, member);
    }
  } catch (error) {
    if (signal.aborted || ReleaseError.is(error)) throw error;
    const { syscall, code = "", message } = error as NodeJS.ErrnoException;
    if (syscall !== undefined)
      throw new ReleaseError(
        `Cannot unpack layer ${layer.name}: ${message}; use an empty folder that has room for it`,
        {
          cause: error,
        },
      );
    const what = code.startsWith("Z_") ? "is damaged" : message;
    throw new ReleaseError(`Cannot unpack layer ${layer.name}: it ${what}; nothing of this release can be trusted`, {
      cause: error,
    });
  } finally {
    gunzip.destroy();
  }
}

/** What was made on the disk. Links come last, so that nothing is ever written through one. */
class Target {
  readonly #base: string;
  readonly #made = new Map<string, "folder" | "other">();
  readonly #links: { readonly path: string; readonly target: string }[] = [];

  constructor(base: string) {
    this.#base = base;
  }

  /** The folder of a layer, which may be there when it is empty. */
  async begin(path: string): Promise<void> {
    await mkdir(this.#base, { recursive: true });
    await this.#folder(path.slice(1));
  }

  async add(folder: string, { path, kind, executable, target = "", contents }: ReadMember): Promise<void> {
    const place = join(folder, path).slice(1);
    await this.#folder(dirname(place));
    if (kind === "folder") return this.#folder(place);
    if (this.#made.has(place)) throw new Error(`has ${JSON.stringify(path)} twice`);
    this.#made.set(place, "other");
    if (kind === "link") return void this.#links.push({ path: place, target });
    const file = join(this.#base, place);
    // Fails where there is something, be it a link.
    const handle = await open(file, "wx", 0o600);
    try {
      for await (const piece of contents) await handle.writeFile(piece);
      await handle.chmod(executable ? 0o755 : 0o644);
    } finally {
      await handle.close();
    }
  }

  async close(): Promise<void> {
    for (const { path, target } of this.#links) await symlink(target, join(this.#base, path));
  }

  async #folder(place: string): Promise<void> {
    const known = this.#made.get(place);
    if (place === "." || place === "" || known === "folder") return;
    if (known) throw new Error(`has ${JSON.stringify(place)} as a folder and as something else`);
    await this.#folder(dirname(place));
    const path = join(this.#base, place);
    try {
      await mkdir(path);
      await chmod(path, 0o755);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !(await lstat(path)).isDirectory()) throw error;
    }
    this.#made.set(place, "folder");
  }
}
