/**
 * Plays machines: each comes in at its parent over TLS of its own, with the ticket in its user data, and says what its agent would say.
 * A message from the process that starts this is a list of instances, each with its user data.
 */
import { systemClock } from "../../../src/clock.ts";
import { enrol, type Host } from "../../../src/transport/gate-machine.ts";
import { protocolVersion } from "../../../src/wire/messages.ts";
import { Session } from "../../../src/wire/session.ts";

interface Launched {
  readonly id: string;
  readonly userData: string;
}

interface Parameters {
  readonly addresses: readonly string[];
  readonly fingerprint: string;
  readonly ticket: string;
}

/** Machines that come in at the same time; each has certificates and handshakes to make. */
const atOnce = 32;
const waiting: Launched[] = [];
let coming = 0;

process.on("message", (launched: readonly Launched[]) => {
  waiting.push(...launched);
  for (; coming < atOnce && waiting.length > 0; coming++) void comeIn();
});
process.on("disconnect", () => process.exit());

async function comeIn(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    try {
      await live(next);
    } catch (error) {
      console.error(`${next.id}: ${String(error)}`);
    }
  }
  coming--;
}

/** Resolves when its agent is ready. */
async function live({ id: instance, userData }: Launched): Promise<void> {
  const line = userData.split("\n").find((one) => one.startsWith('{"region":'))!;
  const { addresses, fingerprint, ticket } = JSON.parse(line) as Parameters;
  const phases = { booted: 1, fetched: 2, verified: 3, started: 4 };
  const claim = { instance, phases, identity: undefined };
  const secret = Buffer.from(ticket, "base64url");
  const host = await enrol({ clock: systemClock, addresses, fingerprint, ticket: secret, claim, withinMs: 60_000 });
  host.hold(true);
  const end = (exit: { readonly exitCode?: number; readonly signal?: string }): void => {
    host.exited(exit);
    host.close();
  };
  host.attach({
    ping: () => host.beat(),
    kill: () => end({ signal: "SIGKILL" }),
    release: () => end({ exitCode: 0 }),
    drain: () => undefined,
    closed: () => undefined,
  });
  await agent(host, end);
}

async function agent(host: Host, end: (exit: { readonly exitCode: number }) => void): Promise<void> {
  const { grant } = host;
  const connection = await host.data();
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const session: Session = new Session(connection, {
    message(message) {
      if (message.type === "welcome") {
        session.send({ type: "ready" });
        resolve();
      } else if (message.type === "drain") session.send({ type: "drain" });
      else if (message.type === "ack") end({ exitCode: 0 });
      session.flush();
    },
    closed: () => resolve(),
  });
  const token = Buffer.from(grant.token, "base64url");
  const facts = { protocol: protocolVersion, runner: grant.runner, node: process.version, release: "" };
  session.send({ type: "hello", token, ...facts });
  session.flush();
  return ready;
}
