import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Connection, Listener } from "../../src/ports/transport.ts";
import { dialUnix, listenUnix } from "../../src/transport/unix.ts";
import { type Limits, FrameReader, FrameWriter, defaultLimits } from "../../src/wire/frames.ts";
import { type Message, decodeMessage, encodeMessage, protocolVersion } from "../../src/wire/messages.ts";
import { type Authenticate, Session, type SessionHandlers } from "../../src/wire/session.ts";
import { type MemoryConnection, memoryPair } from "../conformance/memory-transport.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { until } from "../harness/until.ts";

export const token = randomBytes(32);
export const hello: Message = {
  type: "hello",
  token,
  protocol: protocolVersion,
  runner: "r-1",
  node: "v24",
  release: "",
};
export const welcome: Message = {
  type: "welcome",
  pool: "p",
  entry: null,
  executors: 0,
  lifetimeMs: 0,
  units: 0,
  secrets: [],
};

/** One side of a conversation, and all that it was told. */
export class Party implements SessionHandlers {
  session!: Session;
  readonly messages: Message[] = [];
  readonly closes: (Error | undefined)[] = [];
  /** Called before a message is noted. */
  onMessage: ((message: Message) => void) | undefined;

  message(message: Message): void {
    this.messages.push(message);
    this.onMessage?.(message);
  }

  closed(error?: Error): void {
    this.closes.push(error);
  }

  get types(): string[] {
    return this.messages.map(({ type }) => type);
  }

  see(type: Message["type"], count = 1): Promise<true> {
    return until(`${count} of ${type}`, () => this.types.filter((each) => each === type).length >= count, { every: 2 });
  }

  async seeClosed(): Promise<Error | undefined> {
    await until("the end", () => this.closes.length > 0, { every: 2 });
    return this.closes[0];
  }
}

export type Kind = "memory" | "unix";
export const kinds: readonly Kind[] = ["memory", "unix"];

/** Two connected connections: that of the parent first. */
export async function connections(kind: Kind): Promise<[Connection, Connection]> {
  if (kind === "memory") return memoryPair();
  let accepted: Connection | undefined;
  const listener = await listenUnix((connection) => (accepted = connection));
  const dialled = await dialUnix(listener.address);
  const found = await until("a connection", () => accepted);
  listener.close();
  whenTestEnds(() => [dialled, found].forEach((connection) => connection.destroy()));
  return [found, dialled];
}

export interface Conversation {
  readonly parent: Party;
  readonly runner: Party;
  /** What each side's session is made of; both are in memory when the kind says so. */
  readonly ends: readonly [MemoryConnection, MemoryConnection];
}

/** Two sessions past their greeting; `messages` of both are empty. */
export async function converse(kind: Kind, limits: Limits = defaultLimits): Promise<Conversation> {
  const ends = await connections(kind);
  const [parent, runner] = [new Party(), new Party()];
  parent.session = new Session(ends[0], (shown) => (shown.equals(token) ? parent : undefined), limits);
  runner.session = new Session(ends[1], runner, limits);
  runner.session.send(hello);
  await parent.see("hello");
  parent.session.send(welcome);
  await runner.see("welcome");
  runner.session.send({ type: "ready" });
  await parent.see("ready");
  for (const party of [parent, runner]) party.messages.length = 0;
  const both = ends as unknown as [MemoryConnection, MemoryConnection];
  if (kind === "memory") for (const end of both) end.writes.length = 0;
  return { parent, runner, ends: both };
}

/** A peer that writes whatever it likes, and reads what comes. */
export class Stranger {
  readonly connection: Connection;
  readonly writer = new FrameWriter();
  readonly messages: Message[] = [];
  readonly closes: (Error | undefined)[] = [];
  received = 0;

  constructor(connection: Connection) {
    this.connection = connection;
    const reader = new FrameReader(2 ** 20);
    connection.attach({
      data: (chunk) => {
        this.received += chunk.length;
        reader.push(chunk, ({ type, id, body }) => void this.messages.push(decodeMessage(type, id, body, [])));
      },
      drain: () => undefined,
      close: (error) => void this.closes.push(error),
    });
  }

  /** In order, as a session would; without transfers. */
  say(...messages: readonly Message[]): void {
    for (const message of messages) {
      const { type, id, body } = encodeMessage(message);
      const full = this.writer.add(type, id, body);
      if (full) this.connection.write(full);
    }
    this.flush();
  }

  frame(type: number, id: number, body: Uint8Array, attachments: readonly number[] = [], bodyAttached = false): void {
    const full = this.writer.add(type, id, body, attachments, bodyAttached);
    if (full) this.connection.write(full);
    this.flush();
  }

  flush(): void {
    const rest = this.writer.take();
    if (rest) this.connection.write(rest);
  }
}

/** A parent's session with a stranger at the other end. */
export async function parentWithStranger(
  kind: Kind,
  authenticate?: Authenticate,
  limits: Limits = defaultLimits,
): Promise<{ readonly parent: Party; readonly stranger: Stranger; readonly refused: () => number }> {
  const [own, other] = await connections(kind);
  const parent = new Party();
  let refused = 0;
  const judge: Authenticate = authenticate ?? ((shown) => (shown.equals(token) ? parent : undefined));
  parent.session = new Session(own, judge, limits, () => void refused++);
  return { parent, stranger: new Stranger(other), refused: () => refused };
}

/** A runner's session with a stranger in the parent's place. */
export async function runnerWithStranger(kind: Kind): Promise<{ readonly runner: Party; readonly stranger: Stranger }> {
  const [other, own] = await connections(kind);
  const runner = new Party();
  runner.session = new Session(own, runner);
  return { runner, stranger: new Stranger(other) };
}

/** A bare socket at a listener's address. */
export async function socketTo(listener: Pick<Listener, "address">): Promise<Socket> {
  const socket = connect(listener.address);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}
