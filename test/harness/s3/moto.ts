import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { until } from "../until.ts";
import { PrivateApt } from "./apt.ts";
import type { Place } from "./conformance.ts";

/** What moto's server and its S3 import. Names that a release does not have are left out. */
const libraries = [
  ..."boto3 botocore s3transfer jmespath dateutil six urllib3 certifi chardet charset-normalizer idna requests".split(
    " ",
  ),
  ..."responses flask flask-cors werkzeug jinja2 markupsafe itsdangerous click blinker colorama".split(" "),
  ..."cryptography cffi-backend openssl yaml simplejson xmltodict tz toml".split(" "),
].map((name) => `python3-${name}`);

const python = "/usr/bin/python3";

interface Installed {
  readonly root: string;
  readonly version: string;
}

/** Kept between runs. Not in TMPDIR, which is a test file's own folder. */
function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tinderbox-test", "moto-1");
}

async function install(): Promise<Installed> {
  const folder = cacheFolder();
  const note = join(folder, "installed.json");
  if (!existsSync(note)) {
    if (!existsSync(python)) throw new Error(`Cannot run moto: there is no ${python}`);
    mkdirSync(join(folder, ".."), { recursive: true });
    const making = mkdtempSync(`${folder}-`);
    try {
      const apt = await PrivateApt.open(making);
      const names = (await apt.known(libraries)).map((name) => `${name}/${apt.release}`);
      await apt.unpack([...names, "python3-moto/sid"]);
      writeFileSync(join(making, "installed.json"), JSON.stringify({ version: apt.versionOf("python3-moto") }));
      for (const name of ["lists", "cache", "debs"]) rmSync(join(making, name), { recursive: true });
      // Another run may have been faster; then its folder is as good.
      if (!existsSync(note)) renameSync(making, folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  const { version } = JSON.parse(readFileSync(note, "utf8")) as { version: string };
  return { root: join(folder, "root"), version };
}

export interface Moto extends Place, AsyncDisposable {
  readonly version: string;
}

/**
 * Starts moto's server, the one S3 server in reach that is not ours and knows conditional writes. It comes from Debian
 * sid and runs on this machine's Python. Rejects with the reason where it cannot be had.
 */
export async function startMoto(): Promise<Moto> {
  const { root, version } = await install();
  const child = spawn(python, ["-S", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], {
    env: {
      PATH: process.env["PATH"],
      TMPDIR: process.env["TMPDIR"],
      PYTHONPATH: join(root, "usr/lib/python3/dist-packages"),
      PYTHONUNBUFFERED: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let ended = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-100_000)));
  }
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void closed.then(() => (ended = true));
  const stop = async () => {
    child.kill("SIGKILL");
    await closed;
  };
  try {
    const port = await until("moto listen", () => {
      if (ended) throw new Error(`Cannot start moto ${version}: it has ended\n${output}`);
      return /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
    });
    return {
      version,
      endpoint: `http://127.0.0.1:${port}`,
      region: "us-east-1",
      credentials: { accessKeyId: "AKIAMOTO", secretAccessKey: "any" },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
