/**
 * What is process 1 of a container: the shell of its image, with this program. It gives the machine process what it was told on its standard
 * input, and waits for it; what ends before, ends the container with all that is in it. Beside that
 *
 * - the end of its input before a second line has come ends it: then the parent is gone before this machine came in; so does a third line;
 * - so does a parent that is not heard in its time, or falls silent: the machine process cannot tell when it hangs itself;
 * - and so does its age.
 *
 * Each of these waits in a process of its own. Process 1 starts nothing once the machine runs: it would end where there may be no more
 * processes.
 */
import type { BootRequest } from "../../ports/backend.ts";

/** Where the machine process finds its parameters, in memory. */
export const stateFolder = "/run/tinderbox";
export const parametersFile = `${stateFolder}/parameters.json`;
/** Touched by the machine process as long as it hears the parent. */
export const parentFile = `${stateFolder}/parent`;

/** The second line of its input: the machine has come in, and has a connection that tells it when we are gone. */
export const connectedLine = "connected\n";
/** A line of its input that ends it at once, whichever it is. */
export const endingLine = "end\n\n";

/** Of its lines those that are meant for the backend. */
export const bootLine = /^tinderbox boot: (\w+)$/;
/** The status of the machine process, and how often the kernel has killed something for want of memory. */
export const endLine = /^tinderbox end: (\d+) (\d+)$/;

/** Arguments: seconds until the parent has to be heard, half of those that it may be silent, seconds until the end (0: never); the command. */
const program = `
first=$1 half=$2 age=$3
shift 3
umask 077
IFS= read -r line || exit 3
printf '%s\\n' "$line" >${parametersFile} || exit 3
unset line
: >${parentFile}
: >${stateFolder}/mark
exec 3<&0 </dev/null
echo 'tinderbox boot: booted'
heard() { [ ${parentFile} -nt ${stateFolder}/mark ]; }
end() {
  : >${stateFolder}/ended
  kill -KILL -1
  exit
}
# Output that nobody reads any more is not to hold anything up: these say nothing.
(IFS= read -r line <&3 || end
  : >${parentFile}
  IFS= read -r line <&3 && end) >/dev/null 2>&1 &
(exec 3<&-
  until heard; do
    [ "$first" -gt 0 ] || end
    sleep "$half" || exit
    first=$((first - half))
  done
  while :; do
    : >${stateFolder}/mark
    sleep "$half" || exit
    if heard; then continue; fi
    sleep "$half" || exit
    heard || end
  done) >/dev/null 2>&1 &
[ "$age" = 0 ] || (exec 3<&-
  sleep "$age" && end) >/dev/null 2>&1 &
"$@" ${parametersFile} 3<&- &
machine=$!
# Whoever has ended everything before that line has not met the machine, and process 1 cannot be killed from within.
[ ! -e ${stateFolder}/ended ] || exit 3
echo 'tinderbox boot: started'
wait "$machine" 2>/dev/null
status=$?
killed=0
for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
  [ -r "$file" ] || continue
  while read -r name value; do
    [ "$name" = oom_kill ] && killed=$value
  done <"$file"
done
echo "tinderbox end: $status $killed"
exit "$status"
`;

export interface InitOptions extends Pick<BootRequest, "lifetimeMs" | "bootTimeoutMs"> {
  readonly parentLostMs: number;
  /** What is run, with the path of the parameters after it. */
  readonly command: readonly string[];
}

/** A shell takes no longer waits than these. */
const longestSeconds = 365 * 24 * 3_600;

export function initCommand({ lifetimeMs, bootTimeoutMs, parentLostMs, command }: InitOptions): string[] {
  const seconds = (ms: number): string => String(Math.max(1, Math.min(longestSeconds, Math.ceil(ms / 1000))));
  // A pool counts from when it is ready.
  const age = lifetimeMs === Infinity ? "0" : seconds(lifetimeMs + bootTimeoutMs);
  return ["/bin/sh", "-c", program, "tinderbox", seconds(bootTimeoutMs), seconds(parentLostMs / 2), age, ...command];
}
