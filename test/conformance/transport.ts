/**
 * What every transport does, as checks that throw when it does not. `testTransport` makes tests of them; the mutants
 * run them by themselves and want to see them throw.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Connection, Listener } from "../../src/ports/transport.ts";
import { until } from "../harness/until.ts";

export interface Transport {
  listen(accept: (connection: Connection) => void): Promise<Listener>;
  dial(address: string): Promise<Connection>;
}

export interface TransportCheck {
  readonly name: string;
  run(lab: TransportLab): Promise<void>;
}

/** One end of a connection, and all that it was told. */
export class End {
  readonly connection: Connection;
  readonly chunks: Buffer[] = [];
  readonly closes: (Error | undefined)[] = [];
  drains = 0;
  late = 0;
  received = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  attach(): this {
    this.connection.attach({
      data: (chunk) => {
        this.chunks.push(chunk);
        this.received += chunk.length;
        if (this.closes.length > 0) this.late++;
      },
      drain: () => void this.drains++,
      close: (error) => void this.closes.push(error),
    });
    return this;
  }

  get closed(): boolean {
    return this.closes.length > 0;
  }
}

/** Both ends of fresh connections over the transport under test. Forgets nothing: `dispose` closes all of it. */
export class TransportLab {
  readonly #transport: Transport;
  readonly #within: number;
  readonly #listeners: Listener[] = [];
  readonly #connections: Connection[] = [];

  constructor(transport: Transport, within: number) {
    this.#transport = transport;
    this.#within = within;
  }

  async listen(accept: (connection: Connection) => void = () => undefined): Promise<Listener> {
    const listener = await this.#transport.listen((connection) => {
      this.#connections.push(connection);
      accept(connection);
    });
    this.#listeners.push(listener);
    return listener;
  }

  async dial(address: string): Promise<Connection> {
    const connection = await this.#transport.dial(address);
    this.#connections.push(connection);
    return connection;
  }

  /** Two ends of a connection, not attached yet. */
  async pair(): Promise<{ readonly dialled: End; readonly accepted: End; readonly listener: Listener }> {
    const accepted: Connection[] = [];
    const listener = await this.listen((connection) => accepted.push(connection));
    const dialled = new End(await this.dial(listener.address));
    await this.see("an accepted connection", () => accepted.length === 1);
    return { dialled, accepted: new End(accepted[0]!), listener };
  }

  async attached(): Promise<{ readonly dialled: End; readonly accepted: End; readonly listener: Listener }> {
    const { dialled, accepted, listener } = await this.pair();
    return { dialled: dialled.attach(), accepted: accepted.attach(), listener };
  }

  see(what: string, look: () => boolean): Promise<true> {
    return until(what, look, { within: this.#within, every: 5 });
  }

  /** Lets everything happen that is under way: a message there and back on a connection of its own. */
  async settle(): Promise<void> {
    const { dialled, accepted } = await this.attached();
    dialled.connection.write(Buffer.from("there"));
    await this.see("a message there", () => accepted.received === 5);
    accepted.connection.write(Buffer.from("back"));
    await this.see("a message back", () => dialled.received === 4);
  }

  async dispose(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    for (const listener of this.#listeners) listener.close();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const digest = (chunks: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
};

export const transportChecks: readonly TransportCheck[] = [
  {
    name: "bytes arrive in order and complete, both ways at once, in whatever pieces they were written",
    async run(lab) {
      const ends = await lab.attached();
      const sizes = [1, 0, 2, 65_535, 65_536, 65_537, 300_000, 3, 1_000_000];
      const [there, back] = [sizes, sizes.toReversed()].map((order) => order.map((size) => randomBytes(size)));
      for (const index of sizes.keys()) {
        ends.dialled.connection.write(there![index]!);
        ends.accepted.connection.write(back![index]!);
      }
      const total = sizes.reduce((sum, size) => sum + size);
      await lab.see("all bytes", () => ends.accepted.received >= total && ends.dialled.received >= total);
      assert.equal(digest(ends.accepted.chunks), digest(there!), "other bytes arrived than were sent");
      assert.equal(digest(ends.dialled.chunks), digest(back!), "other bytes came back than were sent");
    },
  },
  {
    name: "what was written before the other side listens is kept for it",
    async run(lab) {
      const { dialled, accepted } = await lab.pair();
      dialled.attach().connection.write(Buffer.from("early"));
      await lab.settle();
      accepted.attach();
      await lab.see("the early bytes", () => Buffer.concat(accepted.chunks).toString() === "early");
    },
  },
  {
    name: "who does not want more for now is not sent more, and gets all of it later",
    async run(lab) {
      const { dialled, accepted } = await lab.attached();
      const chunk = Buffer.alloc(256 * 1024, 1);
      const most = 256;
      for (const [from, to] of [
        [dialled, accepted],
        [accepted, dialled],
      ] as const) {
        to.connection.pause(true);
        const before = to.received;
        let written = 0;
        // Until it is behind, and stays so.
        for (let drains = -1; drains !== from.drains && written < most;) {
          drains = from.drains;
          while (written < most) {
            written++;
            if (!from.connection.write(chunk)) break;
          }
          await lab.settle();
        }
        assert.ok(written < most, "a side that reads nothing never seemed to be behind");
        assert.ok(to.received - before < (most / 2) * chunk.length, "it was read on");
        to.connection.pause(false);
        await lab.see("all of it", () => to.received - before === written * chunk.length);
      }
    },
  },
  {
    name: "a chunk belongs to who receives it: later ones do not change it",
    async run(lab) {
      const { dialled, accepted } = await lab.attached();
      for (let index = 0; index < 20; index++) {
        const before = accepted.received;
        dialled.connection.write(Buffer.alloc(1_000, index));
        await lab.see("the next bytes", () => accepted.received === before + 1_000);
      }
      const found = Buffer.concat(accepted.chunks);
      for (let index = 0; index < 20; index++) assert.equal(found[index * 1_000], index, "a chunk was overwritten");
    },
  },
  {
    name: "write says when the other side is behind, and drain when to go on",
    async run(lab) {
      const { dialled, accepted } = await lab.attached();
      const chunk = Buffer.alloc(65_536, 1);
      let written = 0;
      const fill = (): void => {
        for (let going = true; going; written += chunk.length) {
          assert(written < 256 * 2 ** 20, "write never says that the other side is behind");
          going = dialled.connection.write(chunk);
        }
      };
      fill();
      await lab.see("a drain", () => dialled.drains === 1);
      const before = written;
      fill();
      await lab.see("another drain", () => dialled.drains === 2);
      assert(written > before);
      await lab.see("all bytes", () => accepted.received === written);
    },
  },
  {
    name: "end flushes what was written, then both sides are closed without an error",
    async run(lab) {
      const { dialled, accepted } = await lab.attached();
      const bytes = randomBytes(4_000_000);
      dialled.connection.write(bytes);
      dialled.connection.write(Buffer.from("last"));
      dialled.connection.end();
      await lab.see("the end", () => accepted.closed && dialled.closed);
      assert.equal(digest(accepted.chunks), digest([bytes, Buffer.from("last")]), "what was written did not arrive");
      assert.deepEqual([accepted.closes, dialled.closes], [[undefined], [undefined]], "a clean end has no error");
    },
  },
  {
    name: "end on both sides at once flushes both",
    async run(lab) {
      const ends = await lab.attached();
      ends.dialled.connection.write(Buffer.from("ping"));
      ends.accepted.connection.write(Buffer.from("pong"));
      ends.dialled.connection.end();
      ends.accepted.connection.end();
      await lab.see("both ends", () => ends.accepted.closed && ends.dialled.closed);
      const found = [ends.accepted, ends.dialled].map((end) => Buffer.concat(end.chunks).toString());
      assert.deepEqual(found, ["ping", "pong"]);
      assert.deepEqual([ends.accepted.closes, ends.dialled.closes], [[undefined], [undefined]]);
    },
  },
  {
    name: "destroy closes both sides at once",
    async run(lab) {
      for (const end of ["dialled", "accepted"] as const) {
        const ends = await lab.attached();
        ends[end].connection.destroy();
        await lab.see("the end on both sides", () => ends.dialled.closed && ends.accepted.closed);
        assert.equal(ends[end].closes[0], undefined, "who closes sees no error");
      }
    },
  },
  {
    name: "a connection that is destroyed while the other side writes is closed there too",
    async run(lab) {
      const { dialled, accepted } = await lab.attached();
      for (let index = 0; index < 64; index++) dialled.connection.write(Buffer.alloc(65_536));
      accepted.connection.destroy();
      await lab.see("the end on both sides", () => dialled.closed && accepted.closed);
      await lab.settle();
      assert.equal(dialled.closes.length, 1, "close came more than once");
    },
  },
  {
    name: "close comes exactly once and last, however often and in whatever way it is asked for",
    async run(lab) {
      type Way = (connection: Connection) => void;
      const end: Way = (connection) => connection.end();
      const destroy: Way = (connection) => connection.destroy();
      for (const ways of [
        [end, end],
        [destroy, destroy],
        [end, destroy],
        [destroy, end],
        [end, destroy, end],
      ]) {
        const { dialled, accepted } = await lab.attached();
        dialled.connection.write(Buffer.from("x"));
        for (const way of ways) way(dialled.connection);
        await lab.see("the end on both sides", () => dialled.closed && accepted.closed);
        for (const way of ways) way(dialled.connection);
        for (const way of ways) way(accepted.connection);
        await lab.settle();
        assert.deepEqual([dialled.closes.length, accepted.closes.length], [1, 1], "close came more than once");
        assert.deepEqual([dialled.late, accepted.late], [0, 0], "data came after close");
      }
    },
  },
  {
    name: "writing to what is closed does nothing",
    async run(lab) {
      for (const close of ["end", "destroy"] as const) {
        const { dialled, accepted } = await lab.attached();
        dialled.connection[close]();
        dialled.connection.write(Buffer.from("too late"));
        await lab.see("the end on both sides", () => dialled.closed && accepted.closed);
        for (const { connection } of [dialled, accepted]) {
          assert.equal(connection.write(Buffer.from("too late")), true, "who waits for a drain now waits for ever");
        }
        await lab.settle();
        assert.equal(accepted.received, 0, "it was sent nevertheless");
        assert.deepEqual([dialled.closes, accepted.closes], [[undefined], [undefined]]);
      }
    },
  },
  {
    name: "who listens only after the other side has ended gets all that came, then the end",
    async run(lab) {
      const { dialled, accepted } = await lab.pair();
      dialled.attach().connection.write(Buffer.from("farewell"));
      dialled.connection.end();
      await lab.settle();
      accepted.attach();
      await lab.see("the end", () => accepted.closed);
      assert.equal(Buffer.concat(accepted.chunks).toString(), "farewell");
    },
  },
  {
    name: "a connection that broke before anybody listened tells its end to who comes then",
    async run(lab) {
      const { dialled } = await lab.pair();
      dialled.connection.destroy();
      await lab.settle();
      dialled.attach();
      await lab.see("the end", () => dialled.closed);
    },
  },
  {
    name: "connections of one listener know nothing of each other",
    async run(lab) {
      const accepted: End[] = [];
      const listener = await lab.listen((connection) => accepted.push(new End(connection).attach()));
      const dialled: End[] = [];
      for (let index = 0; index < 5; index++) dialled.push(new End(await lab.dial(listener.address)).attach());
      await lab.see("five connections", () => accepted.length === 5);
      for (const [index, { connection }] of dialled.entries()) connection.write(Buffer.from(`I am ${index}`));
      await lab.see("five names", () => accepted.every((end) => end.received === 6));
      assert.deepEqual(
        accepted.map((end) => Buffer.concat(end.chunks).toString()).toSorted(),
        [0, 1, 2, 3, 4].map((index) => `I am ${index}`),
      );
      dialled[0]!.connection.destroy();
      await lab.see("one end", () => accepted.some((end) => end.closed));
      await lab.settle();
      assert.equal(accepted.filter((end) => end.closed).length, 1, "others ended too");
    },
  },
  {
    name: "a closed listener refuses, keeps what is connected, and may be closed again",
    async run(lab) {
      const { dialled, accepted, listener } = await lab.attached();
      listener.close();
      listener.close();
      await assert.rejects(lab.dial(listener.address), "it still accepts");
      dialled.connection.write(Buffer.from("still here"));
      await lab.see("a message", () => accepted.received === 10);
      assert.deepEqual([dialled.closed, accepted.closed], [false, false]);
    },
  },
  {
    name: "two listeners have two addresses",
    async run(lab) {
      const [first, second] = [await lab.listen(), await lab.listen()];
      assert.notEqual(first.address, second.address);
    },
  },
];

/** Runs one check and cleans up. Rejects when the transport fails it. */
export async function runTransportCheck(check: TransportCheck, transport: Transport, within = 5_000): Promise<void> {
  const lab = new TransportLab(transport, within);
  try {
    await check.run(lab);
  } finally {
    await lab.dispose();
  }
}

/** The contract of `src/ports/transport.ts`, for one implementation. */
export function testTransport(name: string, make: () => Transport): void {
  describe(`the transport ${name}`, () => {
    test.each(transportChecks)("$name", async (check) => {
      await expect(runTransportCheck(check, make())).resolves.toBeUndefined();
    });
  });
}
