/** From `listen` to a runner that takes calls. */
import assert from "node:assert/strict";
import { Unable } from "../suite.ts";
import { until } from "../until.ts";
import { type BackendCase, ofThisMachine } from "./subject.ts";

/** Those of the project's own backends, in the order in which they come; others may have more. */
const order = ["requested", "launched", "booted", "fetched", "verified", "started", "connected"];

export const bootCases: readonly BackendCase[] = [
  {
    name: "defaults make sense",
    async run({ backend }) {
      const { max, processes, concurrency, idleMs, onParentLoss } = backend.defaults;
      assert.ok(backend.name.length > 0, "the backend has no name");
      for (const [name, value] of Object.entries({ max, processes, concurrency }))
        assert.ok(Number.isInteger(value) && value >= 1, `${name} is ${value}`);
      assert.ok(idleMs > 0, `idleMs is ${idleMs}`);
      assert.match(onParentLoss, /^(kill|drain)$/);
    },
  },
  {
    name: "a machine dials the address, and shows the token and the name that it was given",
    async run(subject) {
      const guest = await subject.boot();
      assert.ok(guest.hello!.token.equals(guest.token), "another token");
      assert.equal(guest.hello!.runner, guest.runner);
      assert.equal(await guest.run("() => 6 * 7"), 42);
    },
  },
  {
    name: "boot resolves before the machine is ready",
    async run(subject) {
      // Without its welcome it never will be.
      const guest = await subject.ask({ welcomes: false });
      assert.equal(guest.ready, false);
      await until("its hello", subject.limits.bootMs, () => guest.hello);
      assert.equal(guest.exit, undefined);
      guest.welcome();
      await guest.up();
    },
  },
  {
    name: "boot rejects when no machine can be asked for, and says whether trying again can help",
    async run(subject) {
      const { impossible } = subject.made;
      if (!impossible) throw new Unable("its maker gives no backend whose machines cannot be asked for");
      const { backend, permanent } = impossible;
      const guest = await subject.guest();
      const end = await backend.boot(guest).then(
        (machine) => (machine.kill(), undefined),
        (error: unknown) => ({ error }),
      );
      assert.ok(end, "it has booted");
      assert.ok(
        end.error instanceof Error && end.error.message.length > 0,
        "what it throws is no error with a message",
      );
      assert.equal((end.error as { permanent?: unknown }).permanent === true, permanent, "permanent is wrong");
    },
  },
  {
    name: "phases have names, come in their order, each once, and none after the end",
    async run(subject) {
      const guest = await subject.boot();
      const { phases } = guest;
      assert.ok(phases.length > 0, "there are none");
      assert.ok(
        phases.every((phase) => /^[a-z][a-z -]*$/.test(phase)),
        `${phases.join(", ")}`,
      );
      assert.equal(new Set(phases).size, phases.length, `one of ${phases.join(", ")} comes twice`);
      const known = phases.filter((phase) => order.includes(phase));
      assert.deepEqual(
        known,
        order.filter((phase) => known.includes(phase)),
      );
      guest.machine.kill();
      await guest.gone();
      await subject.calm();
      assert.deepEqual(guest.late, []);
    },
  },
  {
    name: "the environment is the one that was asked for, and nothing of the parent's leaks",
    async run(subject) {
      const canary = `TINDERBOX_CANARY_${process.pid}`;
      process.env[canary] = "must stay here";
      subject.later(() => void delete process.env[canary]);
      const odd = { WORD: "one", EMPTY: "", LINES: "a\nb", QUOTES: `"'\`$HOME \\`, "with.dot": "ä=€" };
      const guest = await subject.boot({ env: { ...subject.environment(), ...odd } });
      const env = (await guest.run("() => ({ ...process.env })")) as Record<string, string>;
      for (const [name, value] of Object.entries(guest.env)) assert.equal(env[name], value, `${name} is another`);
      const leaked = Object.entries(process.env).filter(
        ([name, value]) => !(name in guest.env) && env[name] !== undefined && env[name] === value,
      );
      assert.deepEqual(
        leaked.map(([name]) => name).filter((name) => !ofAnyProcess.has(name)),
        [],
      );
      assert.equal(env[canary], undefined);
    },
  },
  {
    name: "the token is nowhere in the arguments or the environment of the runner",
    async run(subject) {
      const guest = await subject.boot();
      const text = (await guest.run(`async () => {
        const { readFileSync } = await import("node:fs");
        const read = (name) => { try { return readFileSync("/proc/self/" + name, "latin1"); } catch { return ""; } };
        const env = Object.entries(process.env).flat();
        return [...process.argv, ...process.execArgv, ...env, read("cmdline"), read("environ")].join("\\n");
      }`)) as string;
      for (const encoding of ["hex", "base64", "base64url", "latin1"] as const)
        assert.ok(!text.includes(guest.token.toString(encoding)), `it is there as ${encoding}`);
      assert.ok(!text.includes(guest.token.toString("hex").toUpperCase()), "it is there as hex");
    },
  },
  {
    name: "several machines come in at once by one listener, each by its own token",
    async run(subject) {
      const guests = await Promise.all(Array.from({ length: 4 }, () => subject.boot()));
      assert.equal(subject.listens, 1);
      assert.deepEqual(await Promise.all(guests.map((guest, index) => guest.run(`() => ${index}`))), [0, 1, 2, 3]);
      assert.equal(new Set(guests.map(({ machine }) => machine.id)).size, 4, "two have one id");
      const [first, ...others] = guests;
      first!.machine.kill();
      await first!.gone();
      for (const other of others) {
        assert.equal(await other.run("() => 1"), 1);
        assert.equal(other.exit, undefined);
      }
    },
  },
  {
    name: "two listeners are two places, each with its own machines",
    async run(subject) {
      const [one, other] = [subject.dock(), subject.dock()];
      const addresses = [await one.address(), await other.address()];
      assert.notEqual(addresses[0], addresses[1]);
      const guests = await Promise.all([subject.boot({}, one), subject.boot({}, other)]);
      assert.deepEqual(
        guests.map(({ address }) => address),
        addresses,
      );
      await one.close();
      // Those that have come in stay, and the other place is open.
      assert.equal(await guests[0]!.run("() => 1"), 1);
      assert.equal(await (await subject.boot({}, other)).run("() => 2"), 2);
    },
  },
  {
    name: "a listener may be closed twice, and then lets nobody in",
    async run(subject) {
      let came = 0;
      const listener = await subject.backend.listen((connection) => {
        came++;
        connection.destroy();
      });
      listener.close();
      listener.close();
      const guest = await subject.ask({ address: listener.address });
      // It finds nobody, and ends.
      await guest.gone(subject.limits.bootMs);
      assert.equal(came, 0);
    },
  },
];

/** What any program may have by itself. */
const ofAnyProcess = new Set([
  ...ofThisMachine,
  "PWD",
  "SHLVL",
  "_",
  "LANG",
  "LC_ALL",
  "TZ",
  "USER",
  "LOGNAME",
  "SHELL",
  "NODE_ENV",
]);
