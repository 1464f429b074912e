// Takes a lease as it is told and keeps it. SIGUSR2 has it act under the lease, SIGTERM give it back.
// Arguments: where the store is as JSON, "lock" or "elect", the ttl.
import { systemClock } from "../../../src/clock.ts";
import { Leases, type Lease } from "../../../src/store/leases.ts";
import { Requests } from "../../../src/store/requests.ts";
import { type Place, driverOf } from "./lease-place.ts";

const [place, how, ttl] = process.argv.slice(2) as [string, string, string];
const driver = await driverOf(JSON.parse(place) as Place);
const leases = new Leases(new Requests({ driver, clock: systemClock }));
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const ended = Promise.withResolvers<void>();
let current: Lease | undefined;

process.on("SIGUSR2", () => {
  try {
    current!.check();
    say(`acts ${current!.token}`);
  } catch (error) {
    say(`refused ${current!.token} ${(error as { code: string }).code}`);
  }
});
process.on("SIGTERM", () => ended.resolve());
// A lease alone does not keep a process alive.
const alive = setInterval(() => undefined, 1_000);

const hold = (lease: Lease): Promise<void> => {
  current = lease;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  lease.signal.addEventListener("abort", () => {
    say(`aborted ${lease.token} ${(lease.signal.reason as { code: string }).code}`);
    reject(lease.signal.reason as Error);
  });
  void ended.promise.then(resolve);
  say(`held ${lease.token}`);
  return promise;
};

if (how === "elect") await leases.elect("job", hold, { ttl: Number(ttl) });
else {
  await using lease = await leases.lock("job", { ttl: Number(ttl) });
  await hold(lease).catch(() => ended.promise);
}
await leases.close();
await driver.close();
clearInterval(alive);
say("over");
