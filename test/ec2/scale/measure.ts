/** Many machines at once, of which nothing boots: the endpoint, what plays them and their parent are three processes. */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type CloudInstance, startCloud } from "../../harness/cloud/cloud.ts";
import { startS3 } from "../../harness/s3/server.ts";

export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface ScaleFigures {
  /** From the declaration of the pool until EC2 has given the last instance. */
  readonly launchedMs: number;
  /** Until the last of them is ready for calls. */
  readonly readyMs: number;
  /** From `close` until EC2 has confirmed the end of all. */
  readonly closedMs: number;
  /** Of the parent, in MB: before, and with all of them up. */
  readonly rssBefore: number;
  readonly rss: number;
  readonly heap: number;
  /** Of the parent's event loop in milliseconds: until all are ready, and while they are up. */
  readonly rising: Delays;
  readonly steady: Delays;
  /** Of one core, while all are up. */
  readonly cpuShare: number;
  readonly troubles: readonly string[];
  /** Requests by their action, as the endpoint has counted them; throttled ones too. */
  readonly calls: Readonly<Record<string, number>>;
  readonly throttled: number;
  readonly instances: readonly CloudInstance[];
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const flags = ["--conditions=tinderbox-source"];

/** `count` machines, from none to all and back. */
export async function measureScale(count: number): Promise<ScaleFigures> {
  const bucket = "releases";
  await using s3 = await startS3({ buckets: [bucket] });
  await using cloud = await startCloud();
  const credentials = cloud.credentials("parent");
  s3.accept(credentials);
  const machines = fork(here("machines.ts"), { execArgv: flags });
  const told = new Set<string>();
  const tell = setInterval(() => {
    const fresh = cloud.instances().slice(told.size);
    for (const { id } of fresh) told.add(id);
    if (fresh.length > 0) machines.send(fresh.map(({ id, userData }) => ({ id, userData: String(userData) })));
  }, 20);
  const options = {
    region: cloud.region,
    endpoint: cloud.endpoint,
    image: "ami-0123456789abcdef0",
    instanceProfile: "runner",
    instanceTypes: ["c6i.large", "m6i.large"],
    subnets: ["a", "b", "c"].map((zone) => `subnet-0000000000000000${zone}`),
    release: { bucket, id: "0".repeat(64), endpoint: s3.endpoint },
    parent: { host: "127.0.0.1" },
    launchesPerMinute: count,
    // One process plays them all, and may fall behind on a busy machine; that is not what is looked at.
    reconnectWindow: "30s",
  };
  const parent = spawn(process.execPath, [...flags, here("parent.ts"), String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env["PATH"],
      TMPDIR: process.env["TMPDIR"],
      HOME: process.env["HOME"],
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      OPTIONS: JSON.stringify(options),
    },
  });
  let text = "";
  parent.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  try {
    const [code] = (await once(parent, "close")) as [number | null];
    if (code !== 0) throw new Error(`Cannot measure: the parent has ended with ${code}:\n${text}`);
  } finally {
    clearInterval(tell);
    parent.kill("SIGKILL");
    const ended = once(machines, "exit");
    machines.kill("SIGKILL");
    await ended;
  }
  const calls: Record<string, number> = {};
  for (const { action } of cloud.calls) calls[action] = (calls[action] ?? 0) + 1;
  return {
    ...(JSON.parse(text.trim().split("\n").at(-1)!) as ScaleFigures),
    calls,
    throttled: cloud.calls.filter(({ error }) => error === "RequestLimitExceeded").length,
    instances: cloud.instances(),
  };
}
