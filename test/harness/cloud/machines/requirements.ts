import { existsSync } from "node:fs";
import { command, path } from "./command.ts";

/** Program -> the Debian package that has it. */
const programs: Readonly<Record<string, string>> = {
  ip: "iproute2",
  bridge: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  mount: "mount",
  mkfifo: "coreutils",
  python3: "python3-minimal",
  tar: "tar",
  gzip: "gzip",
  useradd: "passwd",
};

const missing = () =>
  Object.keys(programs).filter((name) => !path.split(":").some((folder) => existsSync(`${folder}/${name}`)));

let checked: Promise<void> | undefined;

/** Installs by apt what machines need. Rejects, with what there is to do, where there can be none. */
export function requireMachines(): Promise<void> {
  return (checked ??= check());
}

async function check(): Promise<void> {
  if (process.platform !== "linux") throw new Error(`Cannot make machines: this is ${process.platform}; use Linux`);
  if (process.getuid?.() !== 0) throw new Error("Cannot make machines: namespaces need root; run as root");
  const packages = [...new Set(missing().map((name) => programs[name] ?? name))];
  if (packages.length > 0) {
    const install = ["install", "-qq", "-y", "--no-install-recommends", ...packages];
    const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, timeout: 240_000 };
    await command("apt-get", install, options).catch(async () => {
      await command("apt-get", ["update", "-qq"], options);
      await command("apt-get", install, options);
    });
  }
  await command("unshare", ["--net", "--mount", "--uts", "--ipc", "--cgroup", "--time", "--pid", "--fork", "true"]);
}
