import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** No single step of apt takes this long unless there is no network. */
const stepMs = 60_000;

async function command(
  name: string,
  args: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { stdout } = await run(name, args, {
    cwd: folder,
    env: { ...process.env, LC_ALL: "C", ...env },
    timeout: stepMs,
    killSignal: "SIGKILL",
    maxBuffer: 2 ** 28,
  });
  return stdout;
}

/** The Debian mirror that this machine's own apt uses, and the name of its release. */
async function mirror(folder: string): Promise<{ uri: string; release: string }> {
  const format = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)";
  const lines = await command("apt-get", ["indextargets", "--format", format, "Created-By: Packages"], folder);
  const release = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
  for (const line of lines.split("\n")) {
    const [origin, label, codename, uri] = line.split("|");
    if (origin === "Debian" && label === "Debian" && codename === release && uri) return { uri, release };
  }
  // Before the first `apt-get update` apt knows its mirrors, but not who is behind them.
  const uri = lines
    .split("\n")
    .map((line) => line.split("|")[3] ?? "")
    .find((one) => /\/debian\/?$/.test(one));
  if (uri !== undefined && release !== "") return { uri, release };
  throw new Error("Cannot find a Debian mirror: apt on this machine is not configured for one");
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * An apt of its own in a folder: this machine's mirror with its release and with sid, and none of the machine's state.
 * So nothing is installed or changed outside the folder, and no rights are needed.
 */
export class PrivateApt {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly release: string;

  private constructor(folder: string, release: string) {
    this.#folder = folder;
    this.#env = { APT_CONFIG: join(folder, "apt.conf") };
    this.release = release;
  }

  static async open(folder: string): Promise<PrivateApt> {
    for (const name of ["lists/partial", "cache/archives/partial", "state", "debs", "root"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    const { uri, release } = await mirror(folder);
    const source = [
      "Types: deb",
      `URIs: ${uri}`,
      `Suites: ${release} sid`,
      "Components: main",
      `Signed-By: ${keyring}`,
    ];
    const settings = {
      "Dir::Etc::sourcelist": join(folder, "debian.sources"),
      "Dir::Etc::sourceparts": "-",
      "Dir::State": join(folder, "state"),
      "Dir::State::lists": join(folder, "lists"),
      "Dir::State::status": join(folder, "status"),
      "Dir::Cache": join(folder, "cache"),
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
    };
    writeFileSync(join(folder, "debian.sources"), `${source.join("\n")}\n`);
    writeFileSync(join(folder, "status"), "");
    writeFileSync(
      join(folder, "apt.conf"),
      Object.entries(settings)
        .map(([name, value]) => `${name} "${value}";\n`)
        .join(""),
    );
    const apt = new PrivateApt(folder, release);
    await apt.#run("apt-get", ["update", "-q", "-o", "APT::Update::Error-Mode=any"]);
    return apt;
  }

  #run(name: string, args: readonly string[], at = "."): Promise<string> {
    return command(name, args, join(this.#folder, at), this.#env);
  }

  /** The names among these that a release has. */
  async known(names: readonly string[]): Promise<string[]> {
    const text = await this.#run("apt-cache", ["madison", ...names]);
    return names.filter((name) =>
      text.split("\n").some((line) => line.split("|")[0]?.trim() === name && line.includes(` ${this.release}/`)),
    );
  }

  /** Downloads packages, `name/release` each, and unpacks them. Returns the folder that has them as `/`. */
  async unpack(names: readonly string[]): Promise<string> {
    await this.#run("apt-get", ["download", "-q", ...names], "debs");
    const root = join(this.#folder, "root");
    for (const name of readdirSync(join(this.#folder, "debs")))
      await this.#run("dpkg", ["-x", join("debs", name), root]);
    return root;
  }

  /** The version of a package that was unpacked. */
  versionOf(name: string): string {
    const file = readdirSync(join(this.#folder, "debs")).find((one) => one.startsWith(`${name}_`));
    return decodeURIComponent(file?.split("_")[1] ?? "");
  }
}
