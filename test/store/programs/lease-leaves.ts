// Takes a lease, and has nothing more to do: it ends without giving the lease back.
import { systemClock } from "../../../src/clock.ts";
import { Leases } from "../../../src/store/leases.ts";
import { Requests } from "../../../src/store/requests.ts";
import { type Place, driverOf } from "./lease-place.ts";

const driver = await driverOf(JSON.parse(process.argv[2]!) as Place);
const lease = await new Leases(new Requests({ driver, clock: systemClock })).lock("job", { ttl: "1s" });
process.stdout.write(`held ${lease.token}\n`);
