/** How a program comes under its limits: a shell that becomes it. */
import type { Cgroup } from "./cgroup.ts";
import type { ResolvedLimits } from "./limits.ts";

/**
 * What a shell is to do before it becomes the program: limits must hold from its first instruction on, and whoever joins a
 * group later may have started something before. One that `waits` reads from descriptor 3 what it is to become, quoted for the shell; the
 * others have it as their arguments. Undefined where nothing is to be done.
 */
export function wrapperOf(limits: ResolvedLimits, cgroup: Cgroup | undefined, waits = false): string[] | undefined {
  const { memoryBytes, fileBytes } = limits;
  if (!waits && !cgroup && memoryBytes === undefined && fileBytes === undefined) return undefined;
  const doors = cgroup?.doors ?? [];
  const lines = doors.map((_, index) => `echo 0 >"\${${index + 1}}" || exit 126`);
  // Without groups address space is what the system counts, of each process on its own.
  if (memoryBytes !== undefined && (!cgroup || cgroup.refused.includes("memory"))) {
    lines.push(`ulimit -v ${Math.ceil(memoryBytes / 1024)} || exit 126`);
  }
  if (fileBytes !== undefined) lines.push(`ulimit -f ${Math.ceil(fileBytes / 512)} || exit 126`);
  if (waits) lines.push("IFS= read -r line <&3 || exit 125", "exec 3<&-", 'eval "exec $line"');
  else lines.push(`shift ${doors.length}`, 'exec "$@"');
  return ["-c", lines.join("\n"), waits ? "tinderbox-successor" : "tinderbox", ...doors];
}
