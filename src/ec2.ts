/**
 * `tinderbox/ec2`: runners on EC2 instances that exist while they are needed.
 *
 * @example
 * import { flame, pool } from "tinderbox";
 * import { ec2 } from "tinderbox/ec2";
 * const media = pool("media", { backend: ec2({ terraform: "./terraform" }), max: 20 });
 * const thumb = await flame(() => resize(video), { pool: media });
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { renderUserData } from "./backends/boot/user-data.ts";
import { ec2Backend, type Ec2Site } from "./backends/ec2/backend.ts";
import { accountBudget } from "./backends/ec2/budget.ts";
import { type Ec2Options, type ResolvedEc2Options, resolveEc2Options } from "./backends/ec2/options.ts";
import { ec2Sdk } from "./backends/ec2/sdk.ts";
import { ownAddress, settingsOf } from "./backends/ec2/settings.ts";
import { sweep } from "./backends/ec2/sweep.ts";
import { systemClock } from "./clock.ts";
import { Ownership } from "./deploy/ownership.ts";
import { packRelease } from "./deploy/release/pack.ts";
import { events } from "./events/index.ts";
import type { Backend } from "./ports/backend.ts";
import { entryUrl } from "./runtime.ts";
import { openStore } from "./store.ts";
import { s3Driver } from "./store/drivers/s3.ts";
import { openGate } from "./transport/gate.ts";

export type { Ec2Options, ReleaseOptions } from "./backends/ec2/options.ts";
export { Ec2Error } from "./errors.ts";

const sweepMs = 5 * 60_000;
/** Of machines whose pool has no limit. */
const longestLifeMs = 365 * 24 * 3_600_000;
/** What a machine has to hear of its parent in, beyond the pool's own patience. */
const lateMs = 30_000;

/**
 * Runners on EC2. Nothing is asked of AWS before the first runner is needed; then the application is packed and uploaded (what is there
 * already is not), and machines are launched that fetch it, check it, and dial this process.
 *
 * Machines end when they are idle, when this process ends, when it is lost for longer than `parentLostAfter`, when they are older than the
 * pool's `lifetime`, and when a later parent finds that theirs is gone; each of these works by itself.
 *
 * @throws TypeError for options that make no sense. What AWS refuses is the cause of a `BootError`.
 * @example
 * const backend = ec2({
 *   region: "eu-central-1",
 *   launchTemplate: "lt-0123456789abcdef0",
 *   subnets: ["subnet-0aaa", "subnet-0bbb"],
 *   release: { bucket: "my-releases" },
 * });
 */
export function ec2(options: Ec2Options): Backend {
  const resolved = resolveEc2Options(options);
  return ec2Backend(resolved, { clock: systemClock, trouble, open: () => openSite(resolved) });
}

function trouble(error: unknown): void {
  events.emit("backend.trouble", { backend: "ec2", error });
}

async function openSite(options: ResolvedEc2Options): Promise<Ec2Site> {
  const clock = systemClock;
  const settings = await settingsOf(options);
  const { bucket, base } = settings;
  const { prefix, endpoint = process.env["AWS_ENDPOINT_URL_S3"] } = options.release;
  const budget = accountBudget(clock, options.launchesPerMinute);
  const api = ec2Sdk({ clock, region: settings.region, endpoint: options.endpoint, base, budget });
  const region = await api.region();
  const s3 = { region, ...(endpoint === undefined ? {} : { endpoint }) };
  const store = openStore(`s3://${bucket}/${prefix}`, s3);
  const ownership = new Ownership(store);
  const dials = options.dial === "parent";
  const host = dials ? "" : (options.parent.host ?? ownAddress());
  const gate = await openGate({
    clock,
    windowMs: options.windowMs,
    ...(dials ? { listen: false } : { host, listen: { port: options.parent.port } }),
  });
  const scope = createHash("sha256").update(`${bucket}/${prefix}`).digest("hex").slice(0, 12);
  const release = releaseOf(options, { bucket, ...s3 });
  release.catch(() => undefined);
  const sweeping = setSweep(async () => {
    const own = `${scope}/${await ownership.name()}`;
    const claim = (name: string) => ownership.claim(name);
    await sweep({ clock, api, scope, own, claim, forget: (name) => ownership.forget(name), dryRun: false });
  });
  return {
    settings,
    api,
    gate,
    owner: async () => `${scope}/${await ownership.name()}`,
    intend: (token, facts) => ownership.intend(token, facts),
    userData: async (ticket, { lifetimeMs, bootTimeoutMs }) =>
      renderUserData({
        region,
        ...(endpoint === undefined ? {} : { endpoint }),
        bucket,
        prefix: `${prefix}/`,
        release: await release,
        addresses: dials ? [] : [gate.address],
        ...(dials ? { listen: options.runnerPort } : {}),
        fingerprint: gate.fingerprint,
        ticket: ticket.toString("base64url"),
        lifetimeMs: Math.min(lifetimeMs, longestLifeMs),
        noParentMs: bootTimeoutMs + lateMs,
        parentLostMs: options.parentLostMs,
        allowMetadata: options.allowMetadata,
        keepForDebug: options.keepForDebug,
      }),
    async close() {
      sweeping();
      await gate.close();
      await ownership.close();
      await store[Symbol.asyncDispose]();
      api.close();
    },
  };
}

/** The id of what machines run. */
async function releaseOf(
  { release, architecture }: ResolvedEc2Options,
  s3: { readonly bucket: string; readonly region: string; readonly endpoint?: string },
): Promise<string> {
  if (release.id !== undefined) return release.id;
  const driver = s3Driver({ ...s3, prefix: release.prefix, clock: systemClock });
  try {
    const packed = await packRelease({
      root: release.root ?? nearestPackage(),
      driver,
      clock: systemClock,
      arch: architecture,
      ...(release.node === undefined ? {} : { node: release.node }),
      onNotice: ({ text }) => events.emit("release.notice", { text }),
    });
    return packed.id;
  } catch (error) {
    throw Object.assign(error as Error, { permanent: true });
  } finally {
    await driver.close();
  }
}

/** The folder of the application. */
function nearestPackage(): string {
  const entry = entryUrl();
  const start = entry === null ? process.cwd() : dirname(fileURLToPath(entry));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return resolve(start);
  }
}

/** At once, and from time to time: what another parent has left behind is ended by whoever is there. */
function setSweep(look: () => Promise<void>): () => void {
  let timer = systemClock.timer(0, next);
  function next(): void {
    void look().catch(trouble);
    timer = systemClock.timer(sweepMs, next);
  }
  return () => timer.cancel();
}
