import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../until.ts";
import { launch, output } from "./lab.ts";
import { type Machines, startMachines } from "./machines.ts";

// `npm run test:cloud-init`: not among the other tests, since it makes a Debian of 500 MB first.

let machines: Machines;
beforeAll(async () => {
  machines = await startMachines({ cloudInit: true });
}, 900_000);
afterAll(() => machines.close());

const wish = { metadata: { tokens: "optional" } } as const;

/** What a script prints under cloud-init, without what systemd puts before each line. */
const plain = (text: string) => text.replaceAll(/\r|^\[[ \d.]+\] cloud-init\[\d+\]: /gm, "");

/** What our own init promises as well: see machines.test.ts. */
const facts = `id -un; pwd; echo "$0"; echo "\${HOME-homeless}"; readlink /proc/self/fd/0; hostname; echo "$PATH"
  stat -c %a "$0"; test -d /run/systemd/system && echo systemd || echo other`;

test("Debian's own cloud-init runs user data as our own init does, and its systemd powers off", async () => {
  const started = performance.now();
  const machine = await launch(machines, `echo "<<output"\n${facts}\necho ">>"\npoweroff`, wish);
  expect(await machine.ended).toBe("poweroff");
  console.log(`cloud-init: from launch to the end ${Math.round(performance.now() - started)} ms`);
  const console_ = plain(machine.console());
  const real = /<<output\n([^]*?)\n>>/.exec(console_)?.[1]?.split("\n");
  await using others = await startMachines();
  const ours = (await output(others, facts)).split("\n");
  expect(ours.at(-1)).toBe("other");
  expect(real, console_).toEqual([
    ...ours.slice(0, 5),
    expect.stringMatching(/^ip-10-/),
    ...ours.slice(6, -1),
    "systemd",
  ]);
  expect(console_).toContain("Powering off.");
}, 120_000);

test("such a machine can be watched, frozen and killed", async () => {
  const machine = await launch(machines, "echo up; exec sleep 1000", wish);
  await until("its script", () => plain(machine.console()).includes("\nup\n"), { within: 60_000 });
  expect((await machine.pids()).length).toBeGreaterThan(5);
  await machine.freeze(true);
  await machine.kill();
  expect(await machine.ended).toBe("killed");
  expect(await machine.pids()).toEqual([]);
}, 120_000);
