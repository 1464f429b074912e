/** The release that remote machines run: packed for them when the first is asked for. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "./clock.ts";
import { packRelease } from "./deploy/release/pack.ts";
import { ReleaseError, StoreError } from "./errors.ts";
import { events } from "./events/index.ts";
import type { StoreDriver } from "./ports/store.ts";
import { entryUrl } from "./runtime.ts";
import { fileDriver } from "./store/drivers/file.ts";
import { s3Driver } from "./store/drivers/s3.ts";

export interface ApplicationOptions {
  /** One that is there already; nothing is packed then. */
  readonly id: string | undefined;
  /** @default the folder of the application */
  readonly root: string | undefined;
  /** The Node binary of the machines. @default this one */
  readonly node: string | undefined;
  readonly arch: string;
  /** Where it is kept; closed after each packing. */
  readonly store: () => StoreDriver;
}

export interface Application {
  /** Its id. Packs when there is none yet; who asks meanwhile gets the same, and a failure is not kept. */
  release(): Promise<string>;
  /** Gives up what is being packed. */
  close(): void;
}

export function application(options: ApplicationOptions): Application {
  const closed = new AbortController();
  let packed: Promise<string> | undefined;
  return {
    release() {
      const packing = (packed ??= pack(options, closed.signal));
      packing.catch(() => (packed = undefined));
      return packing;
    },
    close: () => closed.abort(new ReleaseError("Cannot pack the release: its pools are closed")),
  };
}

async function pack({ id, root, node, arch, store }: ApplicationOptions, signal: AbortSignal): Promise<string> {
  if (id !== undefined) return id;
  const driver = store();
  try {
    const release = await packRelease({
      root: root ?? nearestPackage(),
      driver,
      clock: systemClock,
      arch,
      ...(node === undefined ? {} : { node }),
      signal,
      onNotice: ({ text }) => events.emit("release.notice", { text }),
    });
    return release.id;
  } catch (error) {
    throw Object.assign(error as Error, { permanent: isPermanent(error) });
  } finally {
    await driver.close();
  }
}

/** What somebody has to mend. A store that cannot be reached now may be there for the next machine. */
function isPermanent(error: unknown): boolean {
  return StoreError.is(error) ? (error as StoreError).transient !== true : ReleaseError.is(error);
}

/** The folder of the application. */
function nearestPackage(): string {
  const entry = entryUrl();
  const start = entry === null ? process.cwd() : dirname(fileURLToPath(entry));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return resolve(start);
  }
}

/**
 * Opens the place of releases: `s3://bucket/prefix` or `file:///folder`; gives undefined for anything else. Region, credentials and the address
 * of a server that is not AWS are found as the AWS SDK finds them. What conditions of writes mean to a server is not tried out: an object that
 * is written twice has the same bytes.
 */
export function openReleases(url: string): StoreDriver | undefined {
  if (/^file:\/\/\/./i.test(url)) return fileDriver({ folder: fileURLToPath(url), clock: systemClock });
  const [, bucket, prefix = ""] = /^s3:\/\/([^/?#@]+)(?:\/([^?#]*))?$/i.exec(url) ?? [];
  if (bucket === undefined) return undefined;
  const { AWS_ENDPOINT_URL_S3: ours, AWS_ENDPOINT_URL: general } = process.env;
  const endpoint = ours || general || undefined;
  return s3Driver({ bucket, prefix: prefix.replace(/\/$/, ""), endpoint, clock: systemClock });
}
