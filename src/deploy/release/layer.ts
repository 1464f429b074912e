/** Makes one layer: an archive of what was planned, in a file, the same bytes for the same contents. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { contentsOf } from "./contents.ts";
import type { Entry } from "./entry.ts";
import { gzip, gzipVersion } from "./gzip.ts";
import type { Layer, LayerName } from "./manifest.ts";
import { encodeMember, ending, padding } from "./tar-format.ts";

export interface LayerPlan {
  readonly name: LayerName;
  readonly path: string;
  /** Sorted. */
  readonly entries: readonly Entry[];
}

export interface BuildOptions {
  /** Where the archive is written to. There is no such file yet. */
  readonly file: string;
  /** Told of each further number of bytes of the files. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function buildLayer({ name, path, entries }: LayerPlan, options: BuildOptions): Promise<Layer> {
  const { file, onBytes, signal } = options;
  const sum = createHash("sha256");
  let bytes = 0;
  const target = await open(file, "wx", 0o600);
  try {
    for await (const piece of gzip(archive(entries, onBytes, signal))) {
      sum.update(piece);
      bytes += piece.length;
      await target.writeFile(piece);
    }
  } finally {
    await target.close();
  }
  const sha256 = sum.digest("hex");
  return { name, sha256, bytes, unpackedBytes: unpackedBytes(entries), entries: entries.length, path };
}

export function unpackedBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

async function* archive(
  entries: readonly Entry[],
  onBytes: BuildOptions["onBytes"],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    signal?.throwIfAborted();
    yield encodeMember(entry);
    if (entry.kind !== "file") continue;
    for await (const piece of contentsOf(entry)) {
      yield piece;
      signal?.throwIfAborted();
      onBytes?.(piece.length);
    }
    yield padding(entry.size);
  }
  yield ending;
}

/**
 * Names the state of all files of a layer without reading them: when it is the same as before, so are they. The time of the last change
 * of each is in it, which no program can set.
 */
export function fingerprint({ name, path, entries }: LayerPlan): string {
  const sum = createHash("sha256").update(JSON.stringify([gzipVersion, 1, name, path]));
  for (const { kind, path: place, source, executable, target, size, state } of entries) {
    const times = state && [state.dev, state.ino, state.mtimeNs, state.ctimeNs].map(String);
    sum.update(`${JSON.stringify([kind, place, source, executable, target, size, times])}\n`);
  }
  return sum.digest("hex");
}
