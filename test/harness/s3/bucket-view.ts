import { makeBucket } from "./buckets.ts";
import type { Site } from "./context.ts";
import { byBytes } from "./state.ts";

/** What a server has stored, for tests to look at past all protocol and faults. */
export class BucketView {
  readonly #site: Site;

  constructor(site: Site) {
    this.#site = site;
  }

  names(): readonly string[] {
    return [...this.#site.buckets.keys()];
  }

  create(name: string): void {
    this.#site.buckets.set(name, makeBucket(name, this.#site.now()));
  }

  /** In the order of a list. Empty when there is no such bucket. */
  keys(bucket: string): readonly string[] {
    return [...(this.#site.buckets.get(bucket)?.objects.keys() ?? [])].toSorted(byBytes);
  }

  /** Without quotes, or undefined when the key is free. */
  etag(bucket: string, key: string): string | undefined {
    return this.#site.buckets.get(bucket)?.objects.get(key)?.etag;
  }

  async read(bucket: string, key: string): Promise<Buffer | undefined> {
    return this.#site.buckets.get(bucket)?.objects.get(key)?.content.bytes();
  }

  uploads(): readonly { bucket: string; key: string; uploadId: string; numbers: readonly number[] }[] {
    return [...this.#site.buckets.values()].flatMap(({ name, uploads }) =>
      [...uploads.values()].map(({ id, key, parts }) => ({
        bucket: name,
        key,
        uploadId: id,
        numbers: [...parts.keys()],
      })),
    );
  }
}
