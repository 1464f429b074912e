import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../until.ts";

/** As many as a small machine has without anybody having thought about it. */
const processes = 4096;

/** Limits of one machine: a cgroup in each of the given folders. */
export class Limits {
  readonly #folders: readonly string[];

  constructor(folders: readonly string[], id: string) {
    this.#folders = folders.map((folder) => join(folder, id));
  }

  /** Sets them. Returns the files into which a process that shall be bound by them writes its id. */
  set(memoryMb: number): string[] {
    const bytes = String(memoryMb * 2 ** 20);
    const values = { "memory.limit_in_bytes": bytes, "memory.max": bytes, "pids.max": String(processes) };
    for (const folder of this.#folders) {
      mkdirSync(folder);
      for (const [name, value] of Object.entries(values))
        if (existsSync(join(folder, name))) writeFileSync(join(folder, name), value);
    }
    return this.#folders.map((folder) => join(folder, "cgroup.procs"));
  }

  /** Removes them when all that was bound by them is gone. */
  async remove(): Promise<void> {
    for (const folder of this.#folders) {
      const gone = () => {
        try {
          rmdirSync(folder);
        } catch (error) {
          return (error as NodeJS.ErrnoException).code === "ENOENT";
        }
        return true;
      };
      await until("the machine's cgroup go", gone).catch(() => undefined);
    }
  }
}
