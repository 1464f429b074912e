/** One connection of a machine within this process: its own, or that of one of its executors. */
import type { Connection } from "../../ports/transport.ts";
import type { NestedCall } from "../../pool/nesting.ts";
import { MemoryConnection } from "../../transport/memory.ts";
import { type Message, protocolVersion } from "../../wire/messages.ts";
import { Session } from "../../wire/session.ts";
import { Station } from "./station.ts";

/** What a machine has of the process that it is a part of. */
export interface Surroundings {
  dial(address: string): Promise<Connection>;
  /** Makes a call of this process's own pools, for a closure. */
  nest(call: NestedCall): void;
}

export interface LineHandlers extends Pick<Surroundings, "nest"> {
  /** What is not for an executor. */
  message(message: Message): void;
  /** It may go: all that it has sent has come. */
  acknowledged(): void;
  closed(): void;
}

export class Line {
  readonly #runner: string;
  readonly #connection: Connection;
  readonly #handlers: LineHandlers;
  readonly #session: Session;
  #station: Station | undefined;

  constructor(connection: Connection, runner: string, token: Buffer, handlers: LineHandlers) {
    this.#connection = connection;
    this.#runner = runner;
    this.#handlers = handlers;
    this.#session = new Session(connection, {
      message: (message) => this.#hear(message),
      closed: () => handlers.closed(),
    });
    const release = "";
    this.#session.send({ type: "hello", token, protocol: protocolVersion, runner, node: process.version, release });
  }

  /** Where there are several executors, the machine's own line has none. */
  get station(): Station | undefined {
    return this.#station;
  }

  send(message: Message): void {
    this.#session.send(message);
  }

  freeze(): void {
    if (!(this.#connection instanceof MemoryConnection)) return;
    this.#connection.stuck = true;
    this.#connection.peer.stuck = true;
  }

  end(): void {
    this.#station?.end();
    this.#session.destroy();
  }

  #hear(message: Message): void {
    switch (message.type) {
      case "welcome": {
        const { pool, units, executors } = message;
        const answer = (answered: Message): void => this.#session.send(answered);
        const runner = { id: this.#runner, pool };
        if (executors === 0) this.#station = new Station(runner, units, answer, (call) => this.#handlers.nest(call));
        this.#session.send({ type: "ready" });
        break;
      }
      case "tree":
        // What is kept up here is the parent's own, and it tells that itself.
        this.#session.send({ type: "tree", id: message.id, text: "[]" });
        break;
      case "ack":
        this.#handlers.acknowledged();
        break;
      case "drain":
        if (this.#station) this.#station.drain(() => this.#session.send({ type: "drain" }));
        else this.#handlers.message(message);
        break;
      default:
        if (this.#station) this.#station.receive(message);
        else this.#handlers.message(message);
    }
  }
}
