/**
 * A parent that runs a closure on a runner of each kind and then dies as its first argument says.
 *
 * argv: death, folder to talk through, "waits" or "blocks". Each closure writes `<kind>` with its process and its
 * child's; when "go" is there it writes `<kind>-finished`. The parent dies when "die" is there.
 */
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flame, pool } from "tinderbox";

const [death, folder, style] = process.argv.slice(2) as [string, string, string];

function start(kind: "kill" | "drain"): void {
  const own = pool(kind, { max: 1, onParentLoss: kind, timeout: Infinity });
  flame(
    async () => {
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
      const child = spawn("sleep", ["1000"], { stdio: "ignore" });
      writeFileSync(join(folder, kind), `${process.pid}\n${child.pid}\n`);
      const gate = join(folder, "go");
      const cell = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync(gate)) {
        if (style === "blocks") Atomics.wait(cell, 0, 0, 10);
        else await new Promise((resolve) => setTimeout(resolve, 10));
      }
      writeFileSync(join(folder, `${kind}-finished`), `${process.pid}\n`);
    },
    { pool: own, name: kind },
  ).then(
    () => console.log(`${kind} finished`),
    (error: Error) => console.log(`${kind} ${error.name}`),
  );
}

start("kill");
start("drain");

const deaths: Readonly<Record<string, () => void>> = {
  "process.exit": () => process.exit(3),
  throw: () => {
    throw new Error("parent");
  },
  "unhandled rejection": () => void Promise.reject(new Error("parent")),
};

const looking = setInterval(() => {
  if (!existsSync(join(folder, "die"))) return;
  clearInterval(looking);
  deaths[death]?.();
}, 10);

// A pool that never has room tells when a signal has closed it, and with it the others.
const probe = pool("probe", { queueLimit: 0 });
const closing = setInterval(() => {
  flame(() => 0, { pool: probe }).catch((error: Error) => {
    if (error.name !== "PoolClosedError") return;
    clearInterval(closing);
    console.log("closing");
  });
}, 20);
