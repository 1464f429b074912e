/**
 * The versions of one key: files in a folder, named by their number; the highest is what is there. A version is made by link(2), which the
 * system does for one of many only, so no lock is needed that a dead or stopped process could keep.
 *
 * Versions are removed from the lowest up, and never the highest. So a version that can be opened after the folder was read was the highest
 * at that moment. A number may be taken a second time only below the highest, where nobody looks.
 */
import { type FileHandle, mkdir, open, readdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StoreDataError, StoreError } from "../../errors.ts";
import { type Place, damaged, explained, named } from "./file-errors.ts";
import {
  type Content,
  type Header,
  decodeHeader,
  descends,
  headerBytes,
  successor,
  unknownHeader,
} from "./file-header.ts";
import { folderOf } from "./file-names.ts";
import { syncFolder, unless } from "./file-system.ts";
import type { Stage } from "./file-stage.ts";

/** So that who reads slowly finds what it looked for. */
const keptVersions = 8;
/** Above this a version that was replaced is removed at once. */
const largeBytes = 1024 * 1024;
/** How often a reader looks again for what was replaced before it could be opened. */
const mostLooks = 100;

/** Closed by who has it. */
export interface OpenVersion {
  readonly handle: FileHandle;
  readonly header: Header;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

export class Versions {
  readonly place: Place;
  readonly #root: string;
  readonly #folder: string;

  constructor(root: string, store: string, key: string) {
    this.place = { store, key };
    this.#root = root;
    this.#folder = folderOf(root, key);
  }

  /** What is there, be it a removal; undefined when nothing ever was. Throws when it is damaged. */
  async open(): Promise<OpenVersion | undefined> {
    const latest = await this.#latest();
    return latest && this.#opened(latest.handle, latest.number);
  }

  async #latest(): Promise<{ readonly handle: FileHandle; readonly number: number } | undefined> {
    for (let looks = 1; looks <= mostLooks; looks++) {
      const numbers = await this.#numbers();
      const last = numbers?.at(-1);
      if (last === undefined) {
        if (numbers && looks === 1) continue;
        return undefined;
      }
      const handle = await unless(["ENOENT"], open(this.#path(last), "r"));
      if (handle) return { handle, number: last };
    }
    throw new StoreError(
      `Cannot read ${named(this.place)}: it was replaced ${mostLooks} times meanwhile; let fewer write to it`,
      {
        ...this.place,
        transient: true,
      },
    );
  }

  /** The header of what is there. What is damaged has one that no condition fits, so that it can be written over and removed. */
  async look(): Promise<Header | undefined> {
    const latest = await this.#latest();
    if (!latest) return undefined;
    try {
      const version = await this.#opened(latest.handle, latest.number);
      await version.handle.close();
      return version.header;
    } catch (error) {
      if (!StoreDataError.is(error)) throw error;
      return unknownHeader(latest.number);
    }
  }

  /** Makes what is in `stage` the version after `before`; undefined when somebody else was first. */
  async add(before: Header | undefined, stage: Stage, content: Content | "removed"): Promise<Header | undefined> {
    if (!before) await this.#makeFolder();
    const header = successor(before, content);
    await stage.seal(header);
    const linked = stage.linkAs(this.#path(header.number)).then(() => true);
    // Without the folder: somebody has cleared the store. What there is then is another look.
    if (!(await unless(["EEXIST", "ENOENT"], linked))) {
      await stage.check();
      return undefined;
    }
    try {
      const numbers = (await this.#numbers()) ?? [];
      if (numbers.at(-1) !== header.number && !(await this.#followed(header))) {
        await unless(["ENOENT"], unlink(this.#path(header.number)));
        return undefined;
      }
      await syncFolder(this.#folder);
      await this.#clear(header, before, numbers);
    } catch (error) {
      throw explained(error, "write", this.place, true);
    }
    return header;
  }

  /**
   * Whether a version that is not the highest any more once was: a process that was stopped before its `link` may take a number that was
   * taken and removed long ago. The later versions know whom they follow.
   */
  async #followed(header: Header): Promise<boolean> {
    const current = await this.look();
    const follows = current ? descends(current, header) : false;
    if (follows !== "unknown") return follows;
    throw new StoreError(
      `Cannot tell whether ${named(this.place)} was written: others have written too often since; read it before you try again`,
      { ...this.place, maybe: true },
    );
  }

  async #opened(handle: FileHandle, number: number): Promise<OpenVersion> {
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
      const header = decodeHeader(buffer.subarray(0, bytesRead));
      const { size, mtimeMs } = await handle.stat();
      if (header?.number !== number) throw damaged(this.place, `version ${number} does not begin as one`);
      if (size !== headerBytes + header.size)
        throw damaged(this.place, `version ${number} has ${size - headerBytes} bytes instead of ${header.size}`);
      return { handle, header, modified: Math.floor(mtimeMs) };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** From the lowest up. Undefined without a folder. */
  async #numbers(): Promise<number[] | undefined> {
    const names = await unless(["ENOENT"], readdir(this.#folder));
    return names
      ?.filter((name) => /^\d{16}$/.test(name))
      .map(Number)
      .toSorted((left, right) => left - right);
  }

  /** What this fails to remove, the next one tries again. */
  async #clear({ number, removed }: Header, before: Header | undefined, numbers: readonly number[]): Promise<void> {
    const kept = removed || (before && before.size > largeBytes) ? 1 : keptVersions;
    for (const each of numbers) {
      if (each > number - kept) return;
      const gone = await unlink(this.#path(each)).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code === "ENOENT",
      );
      if (!gone) return;
    }
  }

  /** Lasting before the first version is: whoever sees that may rely on it. */
  async #makeFolder(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (let folder = this.#folder; ; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === this.#root) return;
    }
  }

  #path(number: number): string {
    return join(this.#folder, String(number).padStart(16, "0"));
  }
}
