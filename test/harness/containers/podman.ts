/** podman from Debian, as a service at a socket. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { path } from "../cloud/machines/command.ts";
import type { EngineKind } from "./engine.ts";

/**
 * It knows one tree of cgroups or the other, and not both at once; and what it keeps below /run and of networks is its own, and goes with
 * its namespace.
 */
const inside = `
if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs tmpfs /run
if [ -d /var/lib/cni ]; then mount -t tmpfs tmpfs /var/lib/cni; fi
exec podman system service --time=0 "unix://$1"`;

/** A file system of layers, as containers have it: no more layers can be laid over it. */
const overlayType = 0x794c7630;

export const podman: EngineKind = {
  packages: { podman: "podman", crun: "crun", conmon: "conmon", ldd: "libc-bin" },
  programs: /podman|conmon|crun/,
  prepare(folder) {
    writeFileSync(
      join(folder, "containers.conf"),
      `[containers]
default_ulimits = ["nofile=16000:16000", "nproc=16000:16000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
`,
    );
    const driver = statfsSync(folder).type === overlayType ? "vfs" : "overlay";
    const storage = `[storage]\ndriver = "${driver}"\ngraphroot = "${folder}/root"\nrunroot = "${folder}/run"\n`;
    writeFileSync(join(folder, "storage.conf"), storage);
    const before = linksOf();
    return {
      service: inside,
      environment: {
        CONTAINERS_CONF: join(folder, "containers.conf"),
        CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"),
      },
      removeTraces: () => removeTraces(before),
    };
  },
};

function linksOf(): ReadonlySet<string> {
  return new Set(readdirSync("/sys/class/net"));
}

/** What it leaves on a machine for its next container: bridges, the chains of their firewall, empty cgroups. */
function removeTraces(before: ReadonlySet<string>): void {
  const run = (name: string, ...args: string[]): void => {
    try {
      execFileSync(name, args, { stdio: "ignore", env: { PATH: path } });
    } catch {
      // Not there.
    }
  };
  for (const name of linksOf())
    if (name.startsWith("cni-podman") && !before.has(name)) run("ip", "link", "delete", name);
  if (![...before].some((name) => name.startsWith("cni-podman"))) {
    run("iptables", "-D", "FORWARD", "-m", "comment", "--comment", "CNI firewall plugin rules", "-j", "CNI-FORWARD");
    for (const chain of ["CNI-FORWARD", "CNI-ADMIN"]) {
      run("iptables", "-F", chain);
      run("iptables", "-X", chain);
    }
  }
  const groups = "/sys/fs/cgroup";
  for (const place of [groups, ...readdirSync(groups).map((name) => join(groups, name))]) {
    const own = join(place, "libpod_parent");
    if (!existsSync(own)) continue;
    for (const each of [...readdirSync(own).map((name) => join(own, name)), own]) {
      try {
        rmdirSync(each);
      } catch {
        // A file of it, or somebody else's.
      }
    }
  }
}
