/** The bytes of a planned file: exactly those that it had when it was planned, or none. */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { changed, type Entry, sameState, unreadable } from "./entry.ts";

/** Up to this, opening and reading on another thread takes longer than doing it here. */
const smallBytes = 128 * 1024;
const pieceBytes = 512 * 1024;
/** A link, or a pipe that nobody writes to, may have come in its place. */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws ReleaseError when it is not, or no longer, the file that was planned. */
export async function* contentsOf(entry: Entry): AsyncGenerator<Uint8Array> {
  if (entry.size <= smallBytes) return yield small(entry);
  let handle: FileHandle;
  try {
    handle = await open(entry.source, flags);
  } catch (cause) {
    throw unreadable(entry.path, cause);
  }
  try {
    check(entry, await handle.stat({ bigint: true }));
    for (let at = 0; at < entry.size;) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, entry.size - at));
      const { bytesRead } = await handle.read(piece, 0, piece.length, at).catch((cause: unknown) => {
        throw unreadable(entry.path, cause);
      });
      if (bytesRead === 0) throw changed(entry.path);
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
    check(entry, await handle.stat({ bigint: true }));
  } finally {
    await handle.close();
  }
}

function small(entry: Entry): Uint8Array {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(entry.source, flags);
    check(entry, fstatSync(descriptor, { bigint: true }));
    const whole = Buffer.allocUnsafe(entry.size);
    for (let at = 0; at < entry.size;) {
      const bytes = readSync(descriptor, whole, at, entry.size - at, at);
      if (bytes === 0) throw changed(entry.path);
      at += bytes;
    }
    check(entry, fstatSync(descriptor, { bigint: true }));
    return whole;
  } catch (error) {
    throw (error as NodeJS.ErrnoException).syscall === undefined ? error : unreadable(entry.path, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function check(entry: Entry, now: BigIntStats): void {
  if (!now.isFile() || !entry.state || !sameState(entry.state, now)) throw changed(entry.path);
}
