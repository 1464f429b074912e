/** A few words about files that Node has not. */
import { open } from "node:fs/promises";

/** Only of what the system itself says. */
export function codeOf(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  return typeof code === "string" && typeof syscall === "string" ? code : undefined;
}

/** What `work` gives; undefined when it fails with one of these codes. */
export async function unless<T>(codes: readonly string[], work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codes.includes(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** So that the names in it last. Some file systems have no such thing, and need none. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await unless(["EINVAL", "ENOTSUP"], handle.sync());
  } finally {
    await handle.close();
  }
}
