import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { PrivateApt } from "../../s3/apt.ts";
import { command } from "./command.ts";

const packages =
  "systemd systemd-sysv systemd-container dbus cloud-init python3-cffi-backend iproute2 python3 ca-certificates procps passwd".split(
    " ",
  );
const makeMs = 900_000;

/** Kept between runs. Its number is that of its recipe. */
const folder = () => join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tinderbox-test", "debian-1");

/** Units that wait for what is not there, or would do something later on. */
const masked = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "networking.service",
  "systemd-networkd-wait-online.service",
];

const cloudConfig = `# The one datasource there is; in a container nothing else tells that this is EC2.
datasource_list: [Ec2]
datasource:
  Ec2:
    strict_id: false
    metadata_urls: ["http://169.254.169.254"]
    max_wait: 60
    timeout: 5
network: {config: disabled}
cloud_init_modules: [seed_random, bootcmd, write-files, users-groups]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-per-once, scripts-per-boot, scripts-per-instance, scripts-user, final-message]
`;

/** The mirror of this machine's own apt. */
async function mirror(): Promise<string> {
  const lines = await command("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
  const uri = lines.split("\n").find((line) => /\/debian\/?$/.test(line));
  if (uri === undefined) throw new Error("Cannot make a Debian: this machine's apt has no mirror of one");
  return uri;
}

function configure(root: string): void {
  // A name server that refuses at once: each look-up of a name would otherwise hold up the boot.
  writeFileSync(join(root, "etc/resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  writeFileSync(join(root, "etc/fstab"), "");
  writeFileSync(join(root, "etc/machine-id"), "");
  writeFileSync(join(root, "etc/cloud/cloud.cfg.d/99-test.cfg"), cloudConfig);
  for (const unit of masked) {
    const link = join(root, "etc/systemd/system", unit);
    rmSync(link, { force: true });
    symlinkSync("/dev/null", link);
  }
  rmSync(join(root, "var/cache/apt/archives"), { recursive: true });
  rmSync(join(root, "var/lib/apt/lists"), { recursive: true });
}

/**
 * A Debian with systemd and cloud-init in a folder, made by debootstrap from this machine's mirror: a minute and 500 MB, once.
 * Rejects, with the reason, where it cannot be had.
 */
export async function debianWithCloudInit(): Promise<string> {
  const kept = folder();
  const note = join(kept, "made");
  if (!existsSync(note)) {
    mkdirSync(join(kept, ".."), { recursive: true });
    const making = mkdtempSync(`${kept}-`);
    try {
      const apt = await PrivateApt.open(making);
      const tool = await apt.unpack([`debootstrap/${apt.release}`]);
      const root = join(making, "debian");
      const env = { DEBOOTSTRAP_DIR: join(tool, "usr/share/debootstrap"), TMPDIR: making };
      const args = ["--variant=minbase", `--include=${packages.join(",")}`, apt.release, root, await mirror()];
      await command("sh", [join(tool, "usr/sbin/debootstrap"), ...args], { env, timeout: makeMs });
      configure(root);
      writeFileSync(join(making, "made"), readFileSync(join(root, "etc/debian_version")));
      for (const name of ["lists", "cache", "debs", "root"]) rmSync(join(making, name), { recursive: true });
      // Another run may have been faster; then its folder is as good.
      if (!existsSync(note)) renameSync(making, kept);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  return join(kept, "debian");
}
