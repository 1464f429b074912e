/** A container as it is asked for. */
import { posix } from "node:path";
import type { BootRequest } from "../../ports/backend.ts";
import { initCommand, stateFolder } from "./init.ts";
import type { ResolvedContainerOptions } from "./options.ts";
import { expiresLabel, lossLabel, ownerLabel, poolLabel } from "./sweep.ts";

/** A release as it lies on this machine, to be laid where it belongs in a container. */
export interface Laid {
  /** Folders of this machine, and where they are seen. */
  readonly folders: readonly { readonly source: string; readonly target: string }[];
  /** Paths in the container. */
  readonly root: string;
  readonly node: string;
  readonly agent: string;
}

export interface SpecDeps {
  readonly options: ResolvedContainerOptions;
  readonly request: Pick<BootRequest, "pool" | "lifetimeMs" | "bootTimeoutMs" | "onParentLoss">;
  readonly laid: Laid;
  /** Of the image, `NAME=value` each. */
  readonly imageEnv: readonly string[];
  /** Whose it is: see `ownName`. */
  readonly owner: string;
  readonly expires: string;
}

const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const stateSize = "64k";

export function specOf({ options, request, laid, imageEnv, owner, expires }: SpecDeps): object {
  const { image, memory, cpus, pids, user, network, mounts, tmp, labels, ulimits, parentLostMs } = options;
  const path = imageEnv.find((each) => each.startsWith("PATH="))?.slice("PATH=".length) ?? usualPath;
  const memoryLimits = memory === undefined ? {} : { Memory: memory, MemorySwap: memory };
  return {
    Image: image,
    // A program that the image begins with by itself would come before ours.
    Entrypoint: initCommand({ ...request, parentLostMs, command: [laid.node, laid.agent] }),
    Cmd: [],
    User: user,
    WorkingDir: laid.root,
    Env: [
      `PATH=${posix.dirname(laid.node)}:${path}`,
      "HOME=/tmp",
      "TMPDIR=/tmp",
      ...(imageEnv.some((each) => each.startsWith("LANG=")) ? [] : ["LANG=C.UTF-8"]),
    ],
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    Labels: {
      ...labels,
      [ownerLabel]: owner,
      [poolLabel]: request.pool,
      [expiresLabel]: expires,
      [lossLabel]: request.onParentLoss,
    },
    HostConfig: {
      AutoRemove: true,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      PidsLimit: pids,
      ...memoryLimits,
      ...(cpus === undefined ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
      ...(network === undefined ? {} : { NetworkMode: network }),
      Tmpfs: {
        [stateFolder]: `rw,noexec,nosuid,nodev,mode=1777,size=${stateSize}`,
        "/tmp": `rw,exec,nosuid,nodev,mode=1777${tmp === undefined ? "" : `,size=${tmp}`}`,
      },
      // "z" is for systems that label files: without it nobody in there may read them.
      Binds: laid.folders.map(({ source, target }) => `${source}:${target}:ro,z`),
      Mounts: mounts.map(({ source, target, readOnly }) => ({
        Type: "bind",
        Source: source,
        Target: target,
        ReadOnly: readOnly,
      })),
      Ulimits: Object.entries(ulimits).map(([Name, limit]) => ({ Name, Soft: limit, Hard: limit })),
      LogConfig: { Type: "none" },
    },
  };
}
