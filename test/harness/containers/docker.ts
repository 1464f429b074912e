/** Docker's daemon from Debian, at a socket, with a network of its own that no firewall knows. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { path } from "../cloud/machines/command.ts";
import type { EngineKind } from "./engine.ts";

/** What it keeps below /run goes with its namespace. A number of a process that was killed means nothing. */
const inside = (bridge: string): string => `
mount -t tmpfs tmpfs /run
rm -f "$2/pid" "$2/exec/containerd/containerd.pid"
exec dockerd --host "unix://$1" --data-root "$2/data" --exec-root "$2/exec" --pidfile "$2/pid" --storage-driver vfs \\
  --bridge ${bridge} --iptables=false --ip6tables=false --ip-masq=false --ip-forward=false --userland-proxy=false \\
  --live-restore --shutdown-timeout 1 --log-level error`;

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe", env: { PATH: path } });

/** A bridge for containers: the first free one of sixteen, each with addresses of its own. */
function makeBridge(): string {
  const taken = new Set(readdirSync("/sys/class/net"));
  for (let number = 0; number < 16; number++) {
    const name = `tinderbox-d${number}`;
    if (taken.has(name)) continue;
    try {
      ip("link", "add", name, "type", "bridge");
    } catch {
      // Another process was faster.
      continue;
    }
    ip("address", "add", `10.213.${number}.1/24`, "dev", name);
    ip("link", "set", name, "up");
    return name;
  }
  throw new Error("Cannot start Docker: all of its networks are taken; remove the links tinderbox-d*");
}

export const docker: EngineKind = {
  packages: { dockerd: "docker.io", runc: "runc", containerd: "containerd", ip: "iproute2", ldd: "libc-bin" },
  programs: /dockerd|containerd|runc/,
  helpers: /containerd$/,
  prepare() {
    const bridge = makeBridge();
    return { service: inside(bridge), removeTraces: () => ip("link", "delete", bridge) };
  },
};
