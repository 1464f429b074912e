/** A body on its way: a file that nobody sees until it is linked as a version. */
import { randomBytes } from "node:crypto";
import { constants, copyFile, type FileHandle, link, mkdir, open, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { type Content, encodeHeader, type Header, headerBytes } from "./file-header.ts";
import { temporaryName } from "./file-names.ts";
import { syncFolder } from "./file-system.ts";

export class Stage {
  readonly #folder: string;
  #path: string;
  #handle: FileHandle;
  #linked = false;
  #size = 0;
  #crc = 0;

  constructor(folder: string, path: string, handle: FileHandle) {
    this.#folder = folder;
    this.#path = path;
    this.#handle = handle;
  }

  /** Makes the folder of the store, too. */
  static async create(root: string): Promise<Stage> {
    const folder = join(root, temporaryName);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) await syncUp(root, dirname(made));
    const path = newPath(folder);
    return new Stage(folder, path, await open(path, "wx"));
  }

  get content(): Content {
    return { size: this.#size, crc: this.#crc };
  }

  async append(piece: Uint8Array): Promise<void> {
    await writeAll(this.#handle, piece, headerBytes + this.#size);
    this.#crc = crc32(piece, this.#crc);
    this.#size += piece.length;
  }

  /** Makes it lasting, with this header. What was linked once stays as it is: a copy takes its place. */
  async seal(header: Header): Promise<void> {
    if (this.#linked) await this.#renew();
    await writeAll(this.#handle, encodeHeader(header), 0);
    await this.#handle.sync();
  }

  async linkAs(path: string): Promise<void> {
    await link(this.#path, path);
    this.#linked = true;
  }

  /** Links it into a folder in a folder of its own, which can be moved to where it is to be: `<what this gives>/<folder>/<name>`. */
  async wrapIn(folder: string, name: string): Promise<string> {
    const outer = newPath(this.#folder);
    const inner = join(outer, folder);
    try {
      await mkdir(inner, { recursive: true });
      await link(this.#path, join(inner, name));
      await syncUp(inner, outer);
      return outer;
    } catch (error) {
      await rm(outer, { recursive: true, force: true });
      throw error;
    }
  }

  /** Fails when somebody has removed it. */
  async check(): Promise<void> {
    await stat(this.#path);
  }

  /** It does not matter any more. What cannot be removed now is when something is written tomorrow. */
  async discard(): Promise<void> {
    await this.#handle.close();
    await unlink(this.#path).catch(() => undefined);
  }

  async #renew(): Promise<void> {
    const path = newPath(this.#folder);
    try {
      await copyFile(this.#path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      const handle = await open(path, "r+");
      await this.discard();
      this.#handle = handle;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    this.#path = path;
    this.#linked = false;
  }
}

function newPath(folder: string): string {
  return join(folder, randomBytes(16).toString("hex"));
}

async function writeAll(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < piece.length;) {
    at += (await handle.write(piece, at, piece.length - at, position + at)).bytesWritten;
  }
}

/** From a folder up to one above it. */
async function syncUp(from: string, to: string): Promise<void> {
  for (let folder = from; ; folder = dirname(folder)) {
    await syncFolder(folder);
    if (folder === to || folder === dirname(folder)) return;
  }
}
