import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { startS3 } from "../harness/s3/server.ts";
import { type RunningScript, startScript } from "../harness/script.ts";
import type { Place } from "./programs/lease-place.ts";

const program = (name: string): string => fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
const server = await startS3();
afterAll(() => server.dispose());
let buckets = 0;

interface Site {
  readonly place: (client: string) => Place;
  dispose(): void;
}

const sites: [name: string, make: () => Site][] = [
  [
    "a folder",
    () => {
      const folder = mkdtempSync(join(testRun.folder, "leases-"));
      return { place: () => ({ kind: "file", folder }), dispose: () => rmSync(folder, { recursive: true }) };
    },
  ],
  [
    "S3",
    () => {
      const { endpoint } = server;
      const prefix = `run-${buckets++}`;
      const place = (client: string): Place => ({
        kind: "s3",
        endpoint,
        prefix,
        credentials: server.credentialsFor(`${prefix}-${client}`),
      });
      return { place, dispose: () => undefined };
    },
  ],
];

function start(place: Place, how: "lock" | "elect", ttl: number): RunningScript {
  return startScript(program("lease-holder"), { args: [JSON.stringify(place), how, String(ttl)], timeout: 60_000 });
}

async function act(holder: RunningScript, says: RegExp): Promise<void> {
  holder.kill("SIGUSR2");
  await holder.see(says);
}

/** Has them give back what they hold; how they have ended. */
async function ended(...holders: RunningScript[]): Promise<string> {
  for (const holder of holders) holder.kill("SIGTERM");
  const results = await Promise.all(holders.map(({ finished }) => finished));
  return results.map(({ code, stderr }) => `${code}${stderr}`).join();
}

describe.each(sites)("between processes that share %s", (_name, make) => {
  test("a holder that is stopped for longer than its ttl is replaced, and does nothing when it goes on", async () => {
    const site = make();
    const first = start(site.place("a"), "lock", 1_000);
    await first.see(/^held 1$/m);
    await act(first, /^acts 1$/m);
    const second = start(site.place("b"), "lock", 30_000);
    first.kill("SIGSTOP");
    await second.see(/^held 2$/m);
    expect(first.stdout).not.toContain("aborted");
    // It is there before the process goes on, and so is what it does first.
    first.kill("SIGUSR2");
    first.kill("SIGCONT");
    await first.see(/^refused 1 ERR_TINDERBOX_LEASE_LOST$/m);
    await first.see(/^aborted 1 ERR_TINDERBOX_LEASE_LOST$/m);
    expect(first.stdout.match(/acts/g)).toHaveLength(1);
    await act(second, /^acts 2$/m);
    expect(await ended(first, second)).toBe("0,0");
    site.dispose();
  });

  test("a holder that is killed is replaced, and the next by its release", async () => {
    const site = make();
    const first = start(site.place("a"), "lock", 1_000);
    await first.see(/^held 1$/m);
    const second = start(site.place("b"), "lock", 30_000);
    first.kill("SIGKILL");
    await second.see(/^held 2$/m);
    const third = start(site.place("c"), "lock", 30_000);
    expect(await ended(second)).toBe("0");
    await third.see(/^held 3$/m);
    expect(await ended(third)).toBe("0");
    site.dispose();
  });

  test("of many that campaign one is elected, and the next when it is killed", async () => {
    const site = make();
    const all = ["a", "b", "c", "d"].map((name) => start(site.place(name), "elect", 1_000));
    for (let token = 1; token <= 3; token++) {
      const seen = all.map(async (each) => {
        await each.see(new RegExp(`^held ${token}$`, "m"), { within: 30_000 });
        return each;
      });
      const leader = await Promise.any(seen);
      for (const each of seen) each.catch(() => undefined);
      leader.kill("SIGKILL");
      await leader.finished;
      all.splice(all.indexOf(leader), 1);
    }
    await all[0]!.see(/^held 4$/m);
    expect(await ended(...all)).toBe("0");
    site.dispose();
  });

  test("a lease does not keep its process alive", async () => {
    const site = make();
    const leaves = startScript(program("lease-leaves"), { args: [JSON.stringify(site.place("a"))] });
    expect(await leaves.finished).toMatchObject({ code: 0, stdout: "held 1\n", stderr: "" });
    const next = start(site.place("b"), "lock", 30_000);
    await next.see(/^held 2$/m);
    expect(await ended(next)).toBe("0");
    site.dispose();
  });
});

test.each(["hang", "refuse"] as const)(
  "a holder that is cut off from S3 (%s) is replaced, campaigns on, and is elected again",
  async (mode) => {
    const [, make] = sites[1]!;
    const { place } = make();
    const [one, two] = [place("cut"), place("near")];
    const first = start(one, "elect", 1_500);
    await first.see(/^held 1$/m);
    const second = start(two, "elect", 30_000);
    const { accessKeyId } = (one as Extract<Place, { kind: "s3" }>).credentials;
    server.partition({ client: accessKeyId, mode });
    await first.see(/^aborted 1 ERR_TINDERBOX_LEASE_LOST$/m);
    await second.see(/^held 2$/m);
    await act(first, /^refused 1/m);
    server.heal();
    second.kill("SIGTERM");
    await second.see(/^over$/m);
    await first.see(/^held 3$/m, { within: 20_000 });
    await act(first, /^acts 3$/m);
    expect(await ended(first)).toBe("0");
  },
);
