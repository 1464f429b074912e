/** What the system says about files, as errors of a store that say what to do. */
import { StoreDataError, StoreError } from "../../errors.ts";
import { codeOf } from "./file-system.ts";

/** Where a request is, for messages. */
export interface Place {
  /** Address of the store. */
  readonly store: string;
  readonly key?: string | undefined;
}

const remedies: Readonly<Record<string, string>> = {
  EACCES: "permission is denied; let this user read and write the folder and everything in it",
  EPERM: "it is not permitted; let this user read and write the folder and everything in it",
  EROFS: "its file system is read-only; use a folder that can be written to",
  ENOSPC: "no space is left; free some, or use a folder on another disk",
  EDQUOT: "the quota of this user is used up; free some space, or use a folder on another disk",
  ENAMETOOLONG: "the path is too long; use a shorter key, or a folder with a shorter path",
  ENOTDIR: "a part of its path is a file; name a folder, and keep other files out of it",
  ENOENT: "it was removed meanwhile; leave the folder alone while it is in use",
  ELOOP: "its path has symbolic links in a circle; name another folder",
  EXDEV: "it is divided between file systems; use a folder that is on one",
  EMFILE: "this process has too many files open; close some, or raise the limit",
  ENFILE: "the machine has too many files open; close some, or raise the limit",
  EIO: "the disk does not work; look at the system's log",
};
const passing = new Set(["EMFILE", "ENFILE", "EAGAIN", "EBUSY", "EINTR", "ENOMEM"]);
const linkless = new Set(["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]);

/** An error of the system in the words of a store; any other as it is. */
export function explained(error: unknown, action: string, place: Place, maybe = false): unknown {
  if (StoreError.is(error) && (!maybe || (error as StoreError).maybe)) return error;
  const code = codeOf(error);
  if (code === undefined && !maybe) return error;
  const noLinks = code !== undefined && linkless.has(code) && (error as NodeJS.ErrnoException).syscall === "link";
  const remedy = noLinks
    ? "its file system has no hard links; use a folder on one that has"
    : (remedies[code ?? ""] ?? (code ? `the system says ${code}` : "it failed half-way; see the cause"));
  const doubt = maybe ? "; it may have been done all the same" : "";
  const tag = code !== undefined && (noLinks || remedies[code]) ? ` (${code})` : "";
  return new StoreError(`Cannot ${action} ${named(place)}: ${remedy}${tag}${doubt}`, {
    ...place,
    maybe,
    transient: code !== undefined && passing.has(code),
    cause: error,
  });
}

/** What is stored is not what was written. */
export function damaged(place: Place, state: string): StoreDataError {
  return new StoreDataError(`Cannot read ${named(place)}: ${state}; write it again, or restore it from a backup`, {
    ...place,
  });
}

export function named({ store, key }: Place): string {
  return key === undefined ? `store ${store}` : `"${key}" of store ${store}`;
}
