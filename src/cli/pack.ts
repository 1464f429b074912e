/** `tinderbox pack`: the project at hand as a release that machines can fetch. */
import { type ArgsDef, defineCommand } from "citty";
import { systemClock } from "../clock.ts";
import { packRelease, type Release } from "../deploy/release/pack.ts";
import { show } from "../options.ts";
import type { StoreDriver } from "../ports/store.ts";
import { openReleases } from "../release.ts";
import { Arguments } from "./arguments.ts";
import { explained } from "./explain.ts";
import { jsonOf } from "./look.ts";
import { PackLine, sizeOf } from "./pack-progress.ts";
import { table } from "./table.ts";

const args = {
  to: { type: "string", valueHint: "url", description: "Where it goes: s3://bucket/prefix or file:///folder" },
  root: { type: "string", valueHint: "folder", description: "Of the application (Default: the current one)" },
  node: {
    type: "string",
    valueHint: "path",
    description: "The Node that machines run, a Linux binary (Default: the one that runs this)",
  },
  arch: { type: "string", valueHint: "x64|arm64", description: "Of the machines (Default: that of the binary)" },
  "dry-run": { type: "boolean", description: "Bring nothing anywhere; only tell what would be" },
  json: { type: "boolean", description: "Print JSON" },
} satisfies ArgsDef;

export const packCommand = defineCommand({
  meta: {
    name: "pack",
    description: "Packs the application, its packages and Node into a release, and uploads what has changed",
  },
  args,
  run: ({ args: parsed, rawArgs }) =>
    explained("pack", async () => {
      const given = new Arguments("tinderbox pack", parsed, rawArgs, Object.keys(args));
      const to = given.text("to");
      const dry = parsed["dry-run"] === true;
      if (to === undefined && !dry)
        throw new TypeError("Cannot pack without a place for it: add --to s3://bucket/prefix, or --dry-run");
      const stop = new AbortController();
      const line = new PackLine(parsed.json ? { write() {} } : process.stderr);
      const interrupted = interruptible(stop);
      const driver = to === undefined ? undefined : openTarget(to);
      try {
        const release = await packRelease({
          root: given.text("root") ?? ".",
          node: given.text("node"),
          arch: given.text("arch"),
          driver,
          clock: systemClock,
          upload: !dry,
          onProgress: line.show,
          onNotice: ({ text }) => line.line(`note: ${text}`),
          signal: stop.signal,
        });
        line.clear();
        process.stdout.write(parsed.json ? asJson(release, dry) : asText(release, { to, dry }));
      } catch (error) {
        line.clear();
        if (!stop.signal.aborted) throw error;
      } finally {
        await driver?.close();
        interrupted.end();
      }
    }),
});

function openTarget(url: string): StoreDriver {
  const driver = openReleases(url);
  if (driver) return driver;
  throw new TypeError(`Cannot use ${show(url)} as --to: s3://bucket/prefix or file:///folder is wanted`);
}

/** A signal ends the work first, which takes its temporary files away, and then this process. */
function interruptible(stop: AbortController): { end(): void } {
  let seen: NodeJS.Signals | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    seen = signal;
    stop.abort(new Error(`Cannot go on: ${signal} came`));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.once(signal, listener);
  return {
    end() {
      for (const signal of signals) process.off(signal, listener);
      if (seen) process.kill(process.pid, seen);
    },
  };
}

function asJson({ id, manifest, layers, notices, omitted }: Release, dry: boolean): string {
  return jsonOf({ id, dryRun: dry, manifest, layers, notices, omitted });
}

const outcomes = { uploaded: "uploaded", there: "already there", absent: "not uploaded" } as const;

function asText(
  { id, manifest, layers, omitted }: Release,
  { to, dry }: { to: string | undefined; dry: boolean },
): string {
  const rows = table(
    [
      { title: "layer", left: true, text: ({ name }) => name },
      { title: "packed", text: ({ bytes }) => sizeOf(bytes) },
      { title: "unpacked", text: ({ unpackedBytes }) => sizeOf(unpackedBytes) },
      { title: "entries", text: ({ entries }) => String(entries) },
      { title: "store", left: true, text: ({ outcome }) => (to === undefined ? "" : outcomes[outcome]) },
    ],
    layers,
  );
  const { node, platform, arch, root } = manifest;
  const facts = [`${root} for ${platform}-${arch}, Node ${node}`];
  if (omitted > 0)
    facts.push(`${omitted} installed packages left out, which only devDependencies name or nothing does`);
  return `${rows}${facts.join("\n")}\nrelease ${id}${dry ? " (dry run, nothing was uploaded)" : ""}\n`;
}
