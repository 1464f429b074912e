/**
 * The watchdog: one small process beside this one that outlives it by as much as it takes to end its programs. It reads a
 * pipe that only this process holds; end of file there means that this process is no more, however it died.
 *
 * It is a shell script because it must be small, start at once and need nothing that could be missing. It has a session of
 * its own, ignores all signals that can be ignored, and is started again when it is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { markVariable, ownMark, watchdogVariable } from "../mark.ts";

export interface WatchedProgram {
  readonly pid: number;
  readonly stopSignal: NodeJS.Signals;
  readonly graceMs: number;
}

export class Watchdog {
  readonly #folders: readonly string[];
  readonly #programs = new Map<number, WatchedProgram>();
  #process: ChildProcess | undefined;

  /** `folders` are control groups whose members are ours. */
  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** Process number, for those who look. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** To be called before a program is started: one that is not yet known by its number is found by its mark. */
  start(): void {
    if (this.#process) return;
    const env: NodeJS.ProcessEnv = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", [watchdogVariable]: "1" };
    // Those above us find it by theirs; ours it must not have, or it would find itself.
    if (process.env[markVariable] !== undefined) env[markVariable] = process.env[markVariable];
    const watchdog = spawn("/bin/sh", ["-c", script, "tinderbox-watchdog", ownMark, ...this.#folders], {
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/",
      env,
      detached: true,
    });
    watchdog.on("error", () => {});
    // No process or descriptor is left for it; the next start tries again.
    if (watchdog.pid === undefined) return;
    this.#process = watchdog;
    watchdog.stdin!.on("error", () => {});
    watchdog.on("exit", () => {
      if (this.#process !== watchdog) return;
      this.#process = undefined;
      if (this.#programs.size === 0) return;
      this.start();
      for (const program of this.#programs.values()) this.#tell(program);
    });
    watchdog.unref();
    (watchdog.stdin as unknown as { unref(): void }).unref();
  }

  add(program: WatchedProgram): void {
    this.#programs.set(program.pid, program);
    this.#tell(program);
  }

  remove(pid: number): void {
    if (this.#programs.delete(pid)) this.#process?.stdin!.write(`- ${pid}\n`);
  }

  /** Nothing is left to watch. */
  stop(): void {
    const watchdog = this.#process;
    this.#process = undefined;
    watchdog?.stdin!.end("bye\n");
  }

  #tell({ pid, stopSignal, graceMs }: WatchedProgram): void {
    const grace = Math.ceil(Math.min(graceMs, longestGraceMs) / 100);
    this.#process?.stdin!.write(`+ ${pid} ${constants.signals[stopSignal]} ${grace}\n`);
  }
}

/** Nobody is left to wait for longer ones. */
const longestGraceMs = 60_000;

/**
 * Arguments: our mark, folders of control groups. Lines: "+ pid signal tenths", "- pid", "bye".
 *
 * `inside` are the sessions that programs lead, `outside` what else carries the mark or is a member of the groups. Those inside
 * get one signal, with their group: a second one would end what a program has started to end well.
 */
const script = `
trap "" HUP INT QUIT TERM PIPE USR1 USR2
mark=$1
shift
programs=" "
tenths=0
while read -r word pid signal grace; do
  case $word in
    +) programs="$programs$pid:$signal " ; [ "$grace" -gt "$tenths" ] && tenths=$grace ;;
    -) for each in $programs; do case $each in "$pid":*) programs="\${programs%% $each *} \${programs#* $each }" ;; esac; done ;;
    bye) exit 0 ;;
  esac
done
session_of() {
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  set -f; set -- \${stat##*) }; set +f
  case $1 in Z*|X*) return 1 ;; esac
  session=$4
}
led() { case $programs in *" $session:"*) return 0 ;; *) return 1 ;; esac; }
marked() {
  for file in $(grep -lsaF "$mark:" /proc/[0-9]*/environ); do
    file=\${file#/proc/}
    echo "\${file%/environ}"
  done
  for folder in "$@"; do
    cat "$folder"/cgroup.procs "$folder"/*/cgroup.procs "$folder"/*/*/cgroup.procs
  done 2>/dev/null
}
outside() { for pid in $(marked "$@"); do session_of "$pid" && ! led && echo "$pid"; done; }
inside() { for file in /proc/[0-9]*; do session_of "\${file#/proc/}" && led && echo "\${file#/proc/}"; done; }
everything() { outside "$@"; [ "$programs" = " " ] || inside; }
for each in $programs; do
  kill -s "\${each#*:}" -- "-\${each%%:*}" 2>/dev/null || kill "-\${each#*:}" "-\${each%%:*}"
  kill -CONT "-\${each%%:*}"
done
if [ "$tenths" -gt 0 ]; then
  for pid in $(outside "$@"); do kill -TERM "$pid"; kill -CONT "$pid"; done
fi
while [ "$tenths" -gt 0 ]; do
  [ -z "$(everything "$@")" ] && break
  sleep 0.1 || { sleep 1; tenths=$((tenths - 9)); }
  tenths=$((tenths - 1))
done
tries=0
while [ "$tries" -lt 300 ]; do
  for folder in "$@"; do [ -e "$folder/cgroup.kill" ] && echo 1 >"$folder/cgroup.kill"; done
  pids=$(everything "$@")
  [ -z "$pids" ] && break
  for pid in $pids; do kill -KILL "$pid"; done
  tries=$((tries + 1))
  [ "$tries" -gt 20 ] && sleep 0.1
done
for folder in "$@"; do rmdir "$folder"/*/*/ "$folder"/*/ "$folder"; done
`;
