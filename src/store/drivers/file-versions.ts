/**
 * The versions of one key: files in a folder, named by their number; the highest is what is there. A version is made by link(2), which the
 * system does for one of many only, so no lock is needed that a dead or stopped process could keep.
 *
 * Versions are removed from the lowest up, and never the highest. So a version that can be opened after the folder was read was the highest
 * at that moment. A number may be taken a second time only below the highest, where nobody looks.
 *
 * The folder is that of one life of the key, `@/<life>`: from its first version, of which it has its name, to its removal. `@` comes with the
 * first version in it, by rename(2), which the system does only where no `@` is, or an empty one. A removal is a version, too, and no other
 * ever follows it; whoever sees it moves the folder of that life away. A process that was stopped meanwhile finds no folder to link into,
 * whatever has been made under the same key since.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { StoreDataError, StoreError } from "../../errors.ts";
import { type Place, damaged, explained, named } from "./file-errors.ts";
import { graveOf } from "./file-graves.ts";
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

/** What is there, be it a removal. */
export interface Seen {
  readonly header: Header;
  readonly life: string;
}

/** The file of the highest version. */
interface Latest {
  readonly handle: FileHandle;
  readonly number: number;
  readonly life: string;
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

  /** What is there, be it a removal; undefined when there is nothing. Throws when it is damaged. */
  async open(): Promise<OpenVersion | undefined> {
    const latest = await this.#latest();
    return latest && this.#opened(latest.handle, latest.number);
  }

  /** The header of what is there. What is damaged has one that no condition fits, so that it can be written over and removed. */
  async look(): Promise<Seen | undefined> {
    const latest = await this.#latest();
    if (!latest) return undefined;
    const header = await this.#headerOf(latest);
    return { header: header ?? unknownHeader(latest.number), life: latest.life };
  }

  /** Makes what is in `stage` the version after `before`; undefined when somebody else was first. */
  add(before: Seen | undefined, stage: Stage, content: Content | "removed"): Promise<Header | undefined> {
    if (before && !before.header.removed) return this.#follow(before, stage, content);
    return this.#begin(before, stage, content);
  }

  /** Takes away what is left of a life that has ended. What this fails to do, the next one who writes here does. */
  async bury(life: string): Promise<void> {
    await this.#move(life).catch(() => undefined);
    for (let folder = this.#folder; folder !== this.#root; folder = dirname(folder)) {
      // Not where anything is in it, or has come to be in it.
      const gone = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!gone) return;
    }
  }

  async #move(life: string): Promise<void> {
    await unless(["ENOENT"], rename(join(this.#folder, life), graveOf(this.#root, life)));
  }

  /** The first version of a new life. */
  async #begin(before: Seen | undefined, stage: Stage, content: Content | "removed"): Promise<Header | undefined> {
    if (before) await this.#move(before.life);
    const header = successor(undefined, content);
    await stage.seal(header);
    const wrapped = await stage.wrapIn(header.id, fileOf(header.number));
    const parent = dirname(this.#folder);
    try {
      await this.#makeFolder(parent);
      await rename(wrapped, this.#folder);
    } catch (error) {
      await rm(wrapped, { recursive: true, force: true });
      // Somebody was first, or has removed the folder around it, or cleared the store.
      await unless(["EEXIST", "ENOTEMPTY", "ENOENT"], Promise.reject(error as Error));
      await stage.check();
      await this.#checkFolder();
      return undefined;
    }
    // It may have been removed again, and its folders with it.
    await unless(["ENOENT"], syncFolder(parent)).catch((error: unknown) => {
      throw explained(error, "write", this.place, true);
    });
    return header;
  }

  /** A life without a version is of nobody, and files of others would be in the way for ever. */
  async #checkFolder(): Promise<void> {
    const names = (await unless(["ENOENT"], readdir(this.#folder))) ?? [];
    const lives = names.filter(isLife);
    for (const life of lives) await unless(["ENOENT", "ENOTEMPTY", "EEXIST"], rmdir(join(this.#folder, life)));
    if (lives.length > 0 || names.length === 0) return;
    throw new StoreError(
      `Cannot write ${named(this.place)}: files of others are in its folder "${this.#folder}"; remove them, and keep them out of the store`,
      { ...this.place },
    );
  }

  async #follow(
    { header: before, life }: Seen,
    stage: Stage,
    content: Content | "removed",
  ): Promise<Header | undefined> {
    const folder = join(this.#folder, life);
    const header = successor(before, content);
    await stage.seal(header);
    const path = join(folder, fileOf(header.number));
    const linked = stage.linkAs(path).then(() => true);
    // Without the folder that life is over. What there is then is another look.
    if (!(await unless(["EEXIST", "ENOENT"], linked))) {
      await stage.check();
      return undefined;
    }
    try {
      const numbers = (await numbersIn(folder)) ?? [];
      if (numbers.at(-1) !== header.number && !(await this.#followed(header, life))) {
        await unless(["ENOENT"], unlink(path));
        return undefined;
      }
      for (const where of [folder, graveOf(this.#root, life)]) await unless(["ENOENT"], syncFolder(where));
      await clear(folder, header, before, numbers);
    } catch (error) {
      throw explained(error, "write", this.place, true);
    }
    return header;
  }

  /**
   * Whether a version that is not the highest any more once was: a process that was stopped before its `link` may take a number that was
   * taken and removed long ago. The later versions know whom they follow, also when they have been moved away.
   */
  async #followed(header: Header, life: string): Promise<boolean> {
    const grave = graveOf(this.#root, life);
    const living = await this.#latestIn(join(this.#folder, life), life);
    const latest = living ?? (await this.#latestIn(grave, life));
    const current = latest && (await this.#headerOf(latest));
    // What was removed has ended with a removal.
    const told = current && (living || current.removed) ? descends(current, header) : "unknown";
    if (told !== "unknown") return told;
    throw new StoreError(
      `Cannot tell whether ${named(this.place)} was written: others have written too often since; read it before you try again`,
      { ...this.place, maybe: true },
    );
  }

  async #latest(): Promise<Latest | undefined> {
    let before: string | undefined;
    for (let looks = 1; looks <= mostLooks; looks++) {
      const names = (await unless(["ENOENT"], readdir(this.#folder))) ?? [];
      const life = names.find(isLife);
      // What was moved away does not come back: one that is there again is empty.
      if (life === undefined || life === before) return undefined;
      before = life;
      const latest = await this.#latestIn(join(this.#folder, life), life);
      if (latest) return latest;
    }
    return this.#tooFast();
  }

  /** Of one life; undefined when its folder has gone, or is empty. */
  async #latestIn(folder: string, life: string): Promise<Latest | undefined> {
    for (let looks = 1; looks <= mostLooks; looks++) {
      const number = (await numbersIn(folder))?.at(-1);
      if (number === undefined) return undefined;
      const handle = await unless(["ENOENT"], open(join(folder, fileOf(number)), "r"));
      if (handle) return { handle, number, life };
    }
    return this.#tooFast();
  }

  #tooFast(): never {
    throw new StoreError(
      `Cannot read ${named(this.place)}: it was replaced ${mostLooks} times meanwhile; let fewer write to it`,
      { ...this.place, transient: true },
    );
  }

  /** Closes it. Undefined for what is damaged. */
  async #headerOf({ handle, number }: Latest): Promise<Header | undefined> {
    try {
      const version = await this.#opened(handle, number);
      await version.handle.close();
      return version.header;
    } catch (error) {
      if (!StoreDataError.is(error)) throw error;
      return undefined;
    }
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

  /** Lasting before the first version is: whoever sees that may rely on it. */
  async #makeFolder(path: string): Promise<void> {
    await mkdir(path, { recursive: true });
    for (let folder = path; ; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === this.#root) return;
    }
  }
}

/** From the lowest up. Undefined without a folder. */
async function numbersIn(folder: string): Promise<number[] | undefined> {
  const names = await unless(["ENOENT"], readdir(folder));
  return names
    ?.filter((name) => /^\d{16}$/.test(name))
    .map(Number)
    .toSorted((left, right) => left - right);
}

/** What this fails to remove, the next one tries again. */
async function clear(
  folder: string,
  { number, removed }: Header,
  before: Header,
  numbers: readonly number[],
): Promise<void> {
  const kept = removed || before.size > largeBytes ? 1 : keptVersions;
  for (const each of numbers) {
    if (each > number - kept) return;
    const gone = await unlink(join(folder, fileOf(each))).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === "ENOENT",
    );
    if (!gone) return;
  }
}

function isLife(name: string): boolean {
  return /^[0-9a-f]{32}$/.test(name);
}

function fileOf(number: number): string {
  return String(number).padStart(16, "0");
}
