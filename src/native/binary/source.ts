/**
 * Gets programs that are named by a URL and a hash: once per machine, checked before they can be executed, and checked
 * again by each process before it uses them.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { BinaryStartError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { Lock } from "./lock.ts";
import { download } from "./download.ts";
import type { Opener } from "./openers.ts";
import type { BinarySource } from "./options.ts";
import { withoutSecrets, withoutSecretsOf } from "./secrets.ts";

export interface SourceDeps {
  readonly clock: Clock;
  readonly openers: ReadonlyMap<string, Opener>;
  /** Where programs are kept. Asked when one is needed. */
  readonly folder: () => string;
}

/** `$XDG_CACHE_HOME/tinderbox/binaries`, else below `~/.cache`. */
export function defaultFolder(): string {
  const cache = process.env["XDG_CACHE_HOME"];
  return join(cache?.startsWith("/") ? cache : join(homedir(), ".cache"), "tinderbox", "binaries");
}

/** How long one waits for another process that downloads the same. */
const waitMs = 10 * 60_000;

export class Sources {
  readonly #deps: SourceDeps;
  /** By hash: those that this process has checked, or is checking. */
  readonly #known = new Map<string, Promise<string>>();

  constructor(deps: SourceDeps) {
    this.#deps = deps;
  }

  /** The file of a program. Rejects with BinaryStartError. */
  async program(name: string, sources: Readonly<Record<string, BinarySource>>): Promise<string> {
    const platform = `${process.platform}-${process.arch}`;
    const source = sources[platform];
    if (!source) {
      const there = Object.keys(sources).join(", ");
      throw new BinaryStartError(
        `Cannot start binary "${name}": it has no source for ${platform}, only for ${there}; add one to option "source"`,
        { binary: name },
      );
    }
    const url = new URL(source.url);
    const hash = source.sha256.toLowerCase();
    const key = `${hash}/${fileName(url)}`;
    let found = this.#known.get(key);
    if (!found) {
      found = this.#obtain(url, hash);
      this.#known.set(key, found);
      // A failure is not remembered: the next one tries again.
      found.catch(() => this.#known.delete(key));
    }
    try {
      const file = await found;
      if (existsSync(file)) return file;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new BinaryStartError(`Cannot start binary "${name}": ${withoutSecrets(url)} ${reason}`, {
        binary: name,
        cause,
      });
    }
    // Somebody has cleared the cache.
    this.#known.delete(key);
    return this.program(name, sources);
  }

  async #obtain(url: URL, hash: string): Promise<string> {
    const { clock, openers, folder } = this.#deps;
    const open = openers.get(url.protocol);
    if (!open)
      throw new Error(
        `cannot be read: there is no opener for ${url.protocol}, only for ${[...openers.keys()].join(" ")}`,
      );
    const all = folder();
    ownFolder(all);
    const file = join(all, hash, fileName(url));
    if (await isWhole(file, hash)) return file;
    const lock = new Lock(join(all, `${hash}.lock`), clock);
    const ours = await lock.take(() => existsSync(file), waitMs);
    try {
      // What another process has put there meanwhile is not believed either.
      if (await isWhole(file, hash)) return file;
      ownFolder(join(all, hash));
      await download({ url, hash, file, open, clock }).catch((error: unknown) => {
        throw withoutSecretsOf(url, error);
      });
    } finally {
      if (ours) lock.release();
    }
    return file;
  }
}

/** True when it is the program; what is there but is not is taken away. */
async function isWhole(file: string, hash: string): Promise<boolean> {
  if (!existsSync(file)) return false;
  const sum = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 ** 2 })) sum.update(chunk as Buffer);
  if (sum.digest("hex") === hash) return true;
  rmSync(file, { force: true });
  return false;
}

/** Nobody else may put anything there. */
function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (process.getuid && uid !== process.getuid()) throw new Error(`cannot be kept: ${folder} belongs to another user`);
  if (mode & 0o022) throw new Error(`cannot be kept: ${folder} may be written by others; run chmod 700 on it`);
}

function fileName(url: URL): string {
  return basename(decodeURIComponent(url.pathname)).replace(/[^\w.+-]/g, "_") || "program";
}
