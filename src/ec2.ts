/**
 * `tinderbox/ec2`: runners on EC2 instances that exist while they are needed.
 *
 * @example
 * import { flame, pool } from "tinderbox";
 * import { ec2 } from "tinderbox/ec2";
 * const media = pool("media", { backend: ec2({ terraform: "./terraform" }), max: 20 });
 * const thumb = await flame(() => resize(video), { pool: media });
 */
import { renderUserData } from "./backends/boot/user-data.ts";
import { ec2Backend, type Ec2Site } from "./backends/ec2/backend.ts";
import { type Ec2Options, type ReapOptions, resolveEc2Options, resolveReapOptions } from "./backends/ec2/options.ts";
import { withLocation, withOutputs } from "./backends/ec2/outputs.ts";
import { ownAddress, settingsOf } from "./backends/ec2/settings.ts";
import type { Orphan } from "./backends/ec2/sweep.ts";
import { sweeps } from "./backends/remote/sweeps.ts";
import { systemClock } from "./clock.ts";
import { openAccount } from "./ec2-account.ts";
import { events } from "./events/index.ts";
import type { Backend } from "./ports/backend.ts";
import { application } from "./release.ts";
import { s3Driver } from "./store/drivers/s3.ts";
import { openGate } from "./transport/gate.ts";

export type { Ec2Options, ReapOptions, ReleaseOptions } from "./backends/ec2/options.ts";
export type { Orphan } from "./backends/ec2/sweep.ts";
export { Ec2Error, ReleaseError } from "./errors.ts";

/** For pools that know no limit: machines have timers. */
const longestMs = 365 * 24 * 3_600_000;
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
  return ec2Backend(resolved, { clock: systemClock, trouble, open: () => openSite(options) });
}

/**
 * Finds machines whose parent is gone, and ends them. Those of parents that live are never touched: a parent holds a lease in the bucket
 * for as long as it lives, and this takes the lease of each parent that does not before it ends anything of it. Where parents live, or
 * have died just now, that takes 40 seconds. Every parent does the same by itself when it begins to launch, and every five minutes.
 *
 * @returns Those that were found, also when they could only be looked at.
 * @throws TypeError for options that make no sense; Ec2Error, StoreError.
 * @example
 * for (const { instance, pool } of await reap({ terraform: "./terraform", dryRun: true })) console.log(instance, pool);
 */
export async function reap(options: ReapOptions): Promise<readonly Orphan[]> {
  // What makes no sense is known before terraform is asked.
  resolveReapOptions(options);
  const { dryRun, location, ...rest } = resolveReapOptions(await withLocation(options));
  const account = await openAccount({ ...rest, region: location.region, bucket: location.bucket! });
  try {
    return await account.sweep({ dryRun, patient: true });
  } finally {
    await account.close();
  }
}

function trouble(error: unknown): void {
  events.emit("backend.trouble", { backend: "ec2", error });
}

async function openSite(given: Ec2Options): Promise<Ec2Site> {
  const clock = systemClock;
  const options = resolveEc2Options(await withOutputs(given));
  const settings = settingsOf(options);
  const { endpoint, launchesPerMinute, release: wanted } = options;
  const dials = options.dial === "parent";
  const host = dials ? "" : (options.parent.host ?? ownAddress());
  const gate = await openGate({
    clock,
    windowMs: options.windowMs,
    ...(dials ? { listen: false } : { host, listen: { port: options.parent.port } }),
  });
  const account = await openAccount({ ...settings, release: wanted, endpoint, launchesPerMinute }).catch(
    async (error: unknown) => {
      await gate.close();
      throw error;
    },
  );
  const { api, ownership, region, s3, bucket, prefix } = account;
  const app = application({
    ...wanted,
    arch: options.architecture,
    store: () => s3Driver({ ...s3, bucket, prefix: wanted.prefix, clock }),
  });
  // Before the first machine waits for it; that one then hears of a failure.
  app.release().catch(() => undefined);
  const stopSweeps = sweeps({ clock, trouble, look: () => account.sweep({ dryRun: false, patient: false }) });
  return {
    options,
    settings,
    api,
    gate,
    owner: () => account.owner(),
    intend: (token, facts) => ownership.intend(token, facts),
    userData: async (ticket, { lifetimeMs, bootTimeoutMs }) =>
      renderUserData({
        region,
        ...(s3.endpoint === undefined ? {} : { endpoint: s3.endpoint }),
        bucket,
        prefix: `${prefix}/`,
        release: await app.release(),
        addresses: dials ? [] : [gate.address],
        ...(dials ? { listen: options.runnerPort } : {}),
        fingerprint: gate.fingerprint,
        ticket: ticket.toString("base64url"),
        lifetimeMs: Math.min(lifetimeMs, longestMs),
        noParentMs: Math.min(bootTimeoutMs, longestMs) + lateMs,
        parentLostMs: options.parentLostMs,
        allowMetadata: options.allowMetadata,
        keepForDebug: options.keepForDebug,
      }),
    async close() {
      stopSweeps();
      app.close();
      await gate.close();
      await account.close();
    },
  };
}
