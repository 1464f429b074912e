/**
 * Where machines come in, over TLS. A connection goes through this: the handshake (both sides show certificates), the greeting (both prove the
 * ticket), the claim (who the machine says it is), the grant. The first three are bounded in size, time and number; each later link of the
 * machine has to show the certificate of the first.
 */
import { networkInterfaces } from "node:os";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Admission, Claim, DialOptions, Enrol, Gate } from "../ports/gate.ts";
import { newCertificate } from "./certificate.ts";
import type { Identity } from "./gate-dialler.ts";
import { Door } from "./gate-door.ts";
import { reach } from "./gate-reach.ts";
import { type Reply, Streams } from "./gate-streams.ts";
import { Visitor } from "./gate-visitor.ts";
import type { Said } from "./gate-words.ts";
import { type Call, checkTicket, ticketIdOf } from "./tls-greeting.ts";
import { type Secured, formatAddress, parseAddress, tlsContext } from "./tls.ts";

export interface GateOptions {
  readonly clock: Clock;
  /** Where to listen; false for a gate that only dials. @default every address, a port that the system chooses */
  readonly listen?: { readonly host?: string; readonly port?: number } | false;
  /** The host that machines are told. @default the first IPv4 address that is not this machine's alone */
  readonly host?: string;
  /** How long a machine may be without a link until its grant says otherwise. @default 5000 */
  readonly windowMs?: number;
}

const defaultWindowMs = 5_000;
const guardIdleMs = 1_000;
/** What the decision about a machine may take: a parent that is busy with many of them may know the answer to its launch much later. */
const enrolMs = 60_000;
/** Who has not proven anything yet, beyond those who may come: for each ticket, and for each connection that may lose its link. */
const strangers = 64;
const strangersOfTicket = 4;
/** Data connections of one machine: executors have one each. */
const mostStreams = 1_024;
/** What machines may take to say goodbye. */
const partingMs = 1_000;

interface Expected {
  readonly ticket: Buffer;
  readonly enrol: Enrol;
  readonly instances: Set<string>;
  open: boolean;
  /** Machines that are in by it, and may come back. */
  machines: number;
}

/** A machine, by its certificate. */
interface Known {
  readonly ticketId: string;
  readonly guard: Streams;
  readonly guardStream: string;
  readonly data: Streams;
  visitor: Visitor;
  forget: Timer | undefined;
}

/** Opens a gate. Rejects when it cannot listen there. */
export async function openGate(options: GateOptions): Promise<Gate> {
  const certificate = await newCertificate();
  const gate = new TlsGate(
    { role: "parent", certificate, context: tlsContext(certificate), clock: options.clock },
    options,
  );
  await gate.open();
  return gate;
}

class TlsGate implements Gate {
  readonly fingerprint: string;
  address = "";
  readonly #identity: Identity;
  readonly #options: GateOptions;
  readonly #windowMs: number;
  readonly #tickets = new Map<string, Expected>();
  readonly #known = new Map<string, Known>();
  /** Of machines that this gate has dialled: how each is let go of. */
  readonly #dialled = new Set<Visitor>();
  readonly #ends = new Set<() => void>();
  #door: Door | undefined;
  #closing: Promise<void> | undefined;

  constructor(identity: Identity, options: GateOptions) {
    this.#identity = identity;
    this.#options = options;
    this.#windowMs = options.windowMs ?? defaultWindowMs;
    this.fingerprint = identity.certificate.fingerprint;
  }

  async open(): Promise<void> {
    const { listen = {}, host = publicHost() } = this.#options;
    if (listen === false) return;
    this.#door = new Door(this.#identity, {
      port: listen.port ?? 0,
      host: listen.host,
      strangers: () => this.#strangers(),
      ticketOf: (ticketId) => this.#tickets.get(ticketId)?.ticket,
      admit: (call, secured) => this.#admit(call, secured),
    });
    this.address = formatAddress(host, await this.#door.open());
  }

  expect(ticket: Buffer, enrol: Enrol): () => void {
    checkTicket(ticket);
    const ticketId = ticketIdOf(ticket);
    if (this.#tickets.has(ticketId))
      throw new TypeError("Cannot expect a ticket: it is expected already; make one for each launch");
    const expected: Expected = { ticket, enrol, instances: new Set(), open: true, machines: 0 };
    this.#tickets.set(ticketId, expected);
    return () => {
      expected.open = false;
      this.#drop(ticketId, expected);
    };
  }

  #drop(ticketId: string, expected: Expected): void {
    if (!expected.open && expected.machines === 0 && this.#tickets.get(ticketId) === expected)
      this.#tickets.delete(ticketId);
  }

  #strangers(): number {
    let most = strangers + strangersOfTicket * this.#tickets.size;
    for (const { data } of this.#known.values()) most += 1 + data.size;
    return most;
  }

  /** What is proven here: that the caller has the ticket that it names, and the key of its certificate. */
  #admit(call: Call, secured: Secured): Reply | undefined {
    const expected = this.#tickets.get(call.ticketId);
    const known = this.#known.get(secured.peer);
    if (!expected || this.#closing || (known && known.ticketId !== call.ticketId)) return undefined;
    if (call.kind === "data") return known && this.#admitData(known, call);
    if (!known) {
      if (!expected.open || !call.fresh) return undefined;
      return this.#welcome(call, secured, expected).guard.answer(call);
    }
    if (known.guardStream !== call.stream) return undefined;
    const reply = known.guard.answer(call);
    // The network was away for all of them.
    if (reply?.link) known.data.probe();
    return reply;
  }

  #admitData({ data, visitor }: Known, call: Call): Reply | undefined {
    if (data.has(call.stream) || !call.fresh) return data.answer(call);
    if (!visitor.in || data.size >= mostStreams) return undefined;
    const connection = data.add(call.stream);
    const reply = data.answer(call);
    return (
      reply?.link && {
        answer: reply.answer,
        link: (link) => {
          reply.link!(link);
          visitor.accept(connection);
        },
      }
    );
  }

  /** A machine's first words. */
  #welcome(call: Call, { peer, remote }: Secured, expected: Expected): Known {
    const { clock } = this.#identity;
    const vigil = { clock, windowMs: this.#windowMs, silence: "drop" } as const;
    const guard = new Streams({ ...vigil, idleMs: guardIdleMs });
    const connection = guard.add(call.stream);
    const data = new Streams(vigil);
    expected.machines++;
    const known: Known = {
      ticketId: call.ticketId,
      guard,
      guardStream: call.stream,
      data,
      visitor: new Visitor(connection, {
        clock,
        enrol: (said) => this.#enrol(said, remote, expected),
        admitted: (windowMs) => (connection.windowMs = data.windowMs = windowMs),
        over: (error) => {
          data.fail(error);
          this.#ended();
          // For as long as it may come to ask.
          known.forget = clock.timer(data.windowMs + enrolMs, () => {
            this.#known.delete(peer);
            expected.machines--;
            this.#drop(call.ticketId, expected);
          });
        },
      }),
      forget: undefined,
    };
    this.#known.set(peer, known);
    known.visitor.greeted();
    return known;
  }

  async #enrol(said: Said, peer: string, expected: Expected): Promise<Admission | undefined> {
    const { instance } = said;
    if (!expected.open || this.#closing || expected.instances.has(instance)) return undefined;
    // Before it is asked: another with the same name may come meanwhile.
    expected.instances.add(instance);
    const claim: Claim = { ...said, peer };
    const asked = (async () => expected.enrol(claim))();
    const admission = await within(this.#identity.clock, enrolMs, () => asked);
    if (admission) return admission;
    expected.instances.delete(instance);
    // One that comes too late has to hear that it was for nothing.
    asked.then(
      (late) => late?.closed(new Error(`Cannot let ${instance} in: that was decided after ${enrolMs} ms only`)),
      () => undefined,
    );
    return undefined;
  }

  async dial(address: string, ticket: Buffer, enrol: Enrol, options: DialOptions = {}): Promise<void> {
    checkTicket(ticket);
    parseAddress(address);
    options.signal?.throwIfAborted();
    if (this.#closing) throw new Error(`Cannot dial ${address}: the gate is closed`);
    const expected: Expected = { ticket, enrol, instances: new Set(), open: true, machines: 1 };
    const { visitor, admitted } = reach(this.#identity, {
      ...options,
      address,
      ticket,
      guardIdleMs,
      mostStreams,
      enrol: (said) => this.#enrol(said, address, expected),
      over: (gone) => {
        this.#dialled.delete(gone);
        this.#ended();
      },
    });
    this.#dialled.add(visitor);
    return admitted;
  }

  #ended(): void {
    for (const end of this.#ends) end();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { clock } = this.#identity;
    const live = (): Visitor[] => [
      ...this.#dialled,
      ...[...this.#known.values()].filter(({ forget }) => !forget).map(({ visitor }) => visitor),
    ];
    const nobody = async (): Promise<void> => {
      while (live().length > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#ends.add(resolve);
        await promise;
        this.#ends.delete(resolve);
      }
    };
    const shut = this.#door?.close();
    const force = live().map((visitor) => visitor.leave());
    await within(clock, partingMs, nobody);
    for (const end of force) end();
    await nobody();
    await shut;
    for (const { forget } of this.#known.values()) forget?.cancel();
    this.#known.clear();
    this.#tickets.clear();
  }
}

/** What it gives, if it does so in time; undefined also when it fails. */
async function within<T>(clock: Clock, ms: number, work: () => Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = clock.timer(ms, () => resolve(undefined));
  try {
    return await Promise.race([work().catch(() => undefined), promise]);
  } finally {
    timer.cancel();
  }
}

function publicHost(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ internal, family }) => !internal && family === "IPv4")?.address ?? "127.0.0.1";
}
