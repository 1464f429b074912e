/** Options of `container()`, their defaults, and what is refused. */
import { availableParallelism } from "node:os";
import { posix } from "node:path";
import { resolveSize, type Size } from "../../duration.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../../options.ts";
import { type Patience, patience, releaseId, text } from "../remote/options.ts";

export interface ContainerOptions extends Patience {
  /** Has to have /bin/sh, glibc and libstdc++; Node comes with the release. @default "docker.io/library/debian:stable-slim" */
  readonly image?: string;
  /** The engine's Unix socket. @default `CONTAINER_HOST`, `DOCKER_HOST`, else the first of podman's and Docker's usual ones that answers */
  readonly engine?: string;
  /** What a runner may have of memory, /tmp included, and nothing of swap. @default no limit */
  readonly memory?: Size;
  /** Of processors, such as 1.5. @default no limit */
  readonly cpus?: number;
  /** Processes and threads at a time. @default 1024 */
  readonly pids?: number;
  /** Of /tmp, which is in memory and the one folder that closures may write to. @default half of the machine's memory */
  readonly tmp?: Size;
  /** `uid`, `uid:gid` or a name of the image. @default "65534:65534", nobody */
  readonly user?: string;
  /** By its name; "host" for that of this machine. @default the engine's */
  readonly network?: string;
  /** By which containers find this process. @default the first address of this machine that is not local; its own with `network: "host"` */
  readonly host?: string;
  /** Folders and files of this machine that closures see. */
  readonly mounts?: readonly ContainerMount[];
  /** Such as `{ nofile: 4096 }`. @default the engine's */
  readonly ulimits?: Readonly<Record<string, number>>;
  /** Added to those of each container. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What containers run. */
  readonly release?: ContainerRelease;
}

export interface ContainerMount {
  /** Absolute, on this machine. */
  readonly source: string;
  /** Absolute, in the container. @default as `source` */
  readonly target?: string;
  /** @default true */
  readonly readOnly?: boolean;
}

export interface ContainerRelease {
  /** The folder of the application. @default the nearest above the application's file that has a package.json */
  readonly root?: string;
  /** One that `tinderbox pack` has made, by its id, out of `from`. @default it is packed before the first container is asked for */
  readonly id?: string;
  /** Where it is: `s3://bucket/prefix` or `file:///folder`, as `tinderbox pack --to` was told. @default in `cache` */
  readonly from?: string;
  /** The Node binary that containers run, for Linux. @default the one that runs this process */
  readonly node?: string;
  /** Where releases are kept, unpacked, on this machine. @default `tinderbox/containers` in the user's cache folder */
  readonly cache?: string;
}

export interface ResolvedContainerOptions {
  readonly image: string;
  readonly engine: string | undefined;
  readonly memory: number | undefined;
  readonly cpus: number | undefined;
  readonly pids: number;
  readonly tmp: number | undefined;
  readonly user: string;
  readonly network: string | undefined;
  readonly host: string | undefined;
  readonly mounts: readonly Required<ContainerMount>[];
  readonly ulimits: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly release: {
    readonly root: string | undefined;
    readonly id: string | undefined;
    readonly from: string | undefined;
    readonly node: string | undefined;
    readonly cache: string | undefined;
  };
  readonly windowMs: number;
  readonly parentLostMs: number;
  /** Containers that this machine can have at a time, by its processors. */
  readonly max: number;
  /** Executors that the processors of one container suffice for. */
  readonly processes: number;
}

const names: readonly (keyof ContainerOptions)[] = [
  "image",
  "engine",
  "memory",
  "cpus",
  "pids",
  "tmp",
  "user",
  "network",
  "host",
  "mounts",
  "ulimits",
  "labels",
  "release",
  "reconnectWindow",
  "parentLostAfter",
];
const usualImage = "docker.io/library/debian:stable-slim";
const nobody = "65534:65534";
/** Two processes of Node and what they are started by; less is none at all. */
const leastMemory = 64 * 1024 * 1024;
/** Node has a dozen threads for each process. */
const leastPids = 64;

/** Throws `TypeError` for what makes no sense, naming the option. */
export function resolveContainerOptions(given: ContainerOptions = {}): ResolvedContainerOptions {
  refuseUnknown(given, names, "container");
  const { release = {} } = given;
  refuseUnknown(release, ["root", "id", "from", "node", "cache"], "release of container");
  if (release.id !== undefined && release.from === undefined)
    throw new TypeError("Cannot use release.id of container alone: name the place that it is in by release.from");
  const cpus = given.cpus === undefined ? undefined : processors(given.cpus);
  const network = text(given.network, of("network"));
  if (network === "none")
    throw new TypeError(
      'Cannot use "none" as option "network" of container: a runner has to reach this process; name a network',
    );
  return {
    image: text(given.image, of("image")) ?? usualImage,
    engine: engine(given.engine),
    memory: given.memory === undefined ? undefined : atLeast(given.memory, "memory", leastMemory, "64mb"),
    cpus,
    pids: resolveCount(given.pids ?? 1_024, of("pids"), leastPids),
    tmp: given.tmp === undefined ? undefined : atLeast(given.tmp, "tmp", 1, "1b"),
    user: text(given.user, of("user")) ?? nobody,
    network,
    host: text(given.host, of("host")),
    mounts: mounts(given.mounts ?? []),
    ulimits: ulimits(given.ulimits ?? {}),
    labels: labels(given.labels ?? {}),
    release: {
      root: text(release.root, of("release.root")),
      id: releaseId(release.id, of),
      from: place(release.from),
      node: text(release.node, of("release.node")),
      cache: release.cache === undefined ? undefined : absolute(release.cache, "release.cache"),
    },
    max: Math.max(1, Math.floor(availableParallelism() / (cpus ?? 1))),
    processes: Math.max(1, Math.floor(cpus ?? 1)),
    ...patience(given, of),
  };
}

const of = (option: string): string => `option "${option}" of container`;

function refused(given: unknown, option: string, wanted: string): TypeError {
  return new TypeError(`Cannot use ${show(given)} as ${of(option)}: ${wanted} is wanted`);
}

function absolute(given: unknown, option: string): string {
  if (typeof given === "string" && posix.isAbsolute(given) && !given.includes("\0")) return posix.normalize(given);
  throw refused(given, option, "an absolute path");
}

function engine(given: unknown): string | undefined {
  return given === undefined ? undefined : absolute(String(given).replace(/^unix:\/\//, ""), "engine");
}

function atLeast(given: unknown, option: string, least: number, words: string): number {
  const bytes = resolveSize(given, of(option));
  if (bytes >= least && bytes < Infinity) return bytes;
  throw refused(given, option, `a size from "${words}"`);
}

/** Engines take thousandths of a second in each tenth: less than that is nothing. */
function processors(given: unknown): number {
  if (typeof given === "number" && given >= 0.01 && given < Infinity) return given;
  throw refused(given, "cpus", "a number from 0.01");
}

function mounts(given: unknown): Required<ContainerMount>[] {
  if (!Array.isArray(given)) throw refused(given, "mounts", "an array");
  return (given as ContainerMount[]).map((mount, index) => {
    const name = `mounts[${index}]`;
    if (typeof mount !== "object" || mount === null) throw refused(mount, name, "an object");
    refuseUnknown(mount, ["source", "target", "readOnly"], `${name} of container`);
    const source = absolute(mount.source, `${name}.source`);
    return {
      source,
      target: mount.target === undefined ? source : absolute(mount.target, `${name}.target`),
      readOnly: resolveBoolean(mount.readOnly ?? true, of(`${name}.readOnly`)),
    };
  });
}

function ulimits(given: unknown): Readonly<Record<string, number>> {
  if (typeof given !== "object" || given === null) throw refused(given, "ulimits", "an object");
  for (const [name, limit] of Object.entries(given)) {
    if (!/^[a-z]+$/.test(name)) throw refused(name, "ulimits", "a name such as nofile");
    resolveCount(limit, of(`ulimits.${name}`), 0);
  }
  return given as Record<string, number>;
}

function labels(given: unknown): Readonly<Record<string, string>> {
  if (typeof given !== "object" || given === null) throw refused(given, "labels", "an object");
  for (const [name, value] of Object.entries(given)) {
    if (name === "" || typeof value !== "string") throw refused(value, `labels.${name}`, "a text");
    if (name.startsWith("tinderbox."))
      throw refused(name, "labels", "a name that does not begin with tinderbox., which are its own,");
  }
  return given as Record<string, string>;
}

/** What `openReleases` opens. */
const isPlace = /^(file:\/\/\/.|s3:\/\/[^/?#@]+(\/[^?#]*)?$)/i;

function place(given: unknown): string | undefined {
  if (given === undefined || (typeof given === "string" && isPlace.test(given))) return given;
  throw refused(given, "release.from", "s3://bucket/prefix or file:///folder");
}
