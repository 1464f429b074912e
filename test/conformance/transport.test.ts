import { expect, test } from "vitest";
import type { Connection, ConnectionHandlers } from "../../src/ports/transport.ts";
import { type MemoryConnection, memoryTransport } from "./memory-transport.ts";
import { type Transport, runTransportCheck, testTransport, transportChecks } from "./transport.ts";

testTransport("of this suite, within a process", memoryTransport);

/** The transport above, each of whose connections is wrapped into something broken. */
function broken(wrap: (connection: MemoryConnection) => Connection): () => Transport {
  return () => {
    const transport = memoryTransport();
    return {
      listen: (accept) => transport.listen((connection) => accept(wrap(connection as MemoryConnection))),
      dial: async (address) => wrap((await transport.dial(address)) as MemoryConnection),
    };
  };
}

/** The connection with some methods replaced. */
function change(connection: MemoryConnection, changes: Partial<Connection>): Connection {
  return {
    attach: (handlers) => connection.attach(handlers),
    write: (chunk) => connection.write(chunk),
    pause: (paused) => connection.pause(paused),
    end: () => connection.end(),
    destroy: () => connection.destroy(),
    hold: (alive) => connection.hold(alive),
    ...changes,
  };
}

const withHandlers = (changes: (handlers: ConnectionHandlers) => Partial<ConnectionHandlers>) =>
  broken((connection) =>
    change(connection, {
      attach: (handlers) => {
        const all = {
          data: (chunk: Buffer) => handlers.data(chunk),
          drain: () => handlers.drain(),
          close: (error?: Error) => handlers.close(error),
        };
        connection.attach({ ...all, ...changes(handlers) });
      },
    }),
  );

/** Each vice, and a check that has to object to it. */
const mutants: [vice: string, make: () => Transport, objection: RegExp][] = [
  [
    "delivers chunks of one turn in reverse",
    broken((connection) => {
      const deliver = connection.deliver.bind(connection);
      connection.deliver = () => {
        connection.out.chunks.reverse();
        deliver();
      };
      return connection;
    }),
    /^bytes arrive in order/,
  ],
  [
    "reads on while it is paused",
    broken((connection) => change(connection, { pause: () => undefined })),
    /^who does not want more for now/,
  ],
  [
    "does not go on after a pause",
    broken((connection) => change(connection, { pause: (paused) => paused && connection.pause(true) })),
    /^who does not want more for now/,
  ],
  [
    "loses the last chunk before the end",
    broken((connection) =>
      change(connection, {
        end: () => {
          connection.out.chunks.pop();
          connection.end();
        },
      }),
    ),
    /^end flushes/,
  ],
  [
    "ends without flushing",
    broken((connection) => change(connection, { end: () => connection.destroy() })),
    /^end flushes/,
  ],
  [
    "loses a byte of long chunks",
    withHandlers((handlers) => ({
      data: (chunk) => handlers.data(chunk.length > 60_000 ? chunk.subarray(1) : chunk),
    })),
    /^bytes arrive in order/,
  ],
  [
    "reuses the memory of what it has delivered",
    (() => {
      const memory = Buffer.alloc(2 ** 20);
      return withHandlers((handlers) => ({
        data: (chunk) => {
          chunk.copy(memory);
          handlers.data(memory.subarray(0, chunk.length));
        },
      }));
    })(),
    /^a chunk belongs to/,
  ],
  [
    "drops what comes before somebody listens",
    broken((connection) => {
      const later = connection.later.bind(connection);
      connection.later = () => {
        if (!connection.peer.handlers) connection.out.chunks.length = 0;
        later();
      };
      return connection;
    }),
    /^what was written before/,
  ],
  [
    "never says that the other side is behind",
    broken((connection) => change(connection, { write: (chunk) => (connection.write(chunk), true) })),
    /^write says when/,
  ],
  ["never drains", withHandlers(() => ({ drain: () => undefined })), /^write says when/],
  [
    "says for ever that a closed connection is behind",
    broken((connection) =>
      change(connection, { write: (chunk) => connection.write(chunk) && !connection.closed && !connection.out.ended }),
    ),
    /^writing to what is closed/,
  ],
  [
    "closes twice",
    withHandlers((handlers) => ({
      close: (error) => {
        handlers.close(error);
        setImmediate(() => handlers.close(error));
      },
    })),
    /^close comes exactly once/,
  ],
  ["never says that it is closed", withHandlers(() => ({ close: () => undefined })), /^destroy closes/],
  [
    "tells only the other side of a destroy",
    broken((connection) =>
      change(connection, {
        destroy: () => {
          connection.told = true;
          connection.destroy();
        },
      }),
    ),
    /^destroy closes/,
  ],
  [
    "reports an error for a clean end",
    withHandlers((handlers) => ({ close: () => handlers.close(new Error("end of file")) })),
    /^end flushes/,
  ],
  [
    "says that it is closed before the last data",
    withHandlers((handlers) => {
      let last: Buffer | undefined;
      return {
        data: (chunk) => {
          if (last) handlers.data(last);
          last = chunk;
        },
        close: (error) => {
          handlers.close(error);
          if (last) handlers.data(last);
        },
      };
    }),
    /^close comes exactly once/,
  ],
  [
    "throws on a write after the end",
    broken((connection) =>
      change(connection, {
        write: (chunk) => {
          if (connection.closed || connection.out.ended) throw new Error("write after end");
          return connection.write(chunk);
        },
      }),
    ),
    /^writing to what is closed/,
  ],
  [
    "sends what is written after the end",
    broken((connection) =>
      change(connection, {
        write: (chunk) => {
          if (connection.out.ended && !connection.closed) connection.out.chunks.push(Buffer.from(chunk));
          return connection.write(chunk);
        },
      }),
    ),
    /^writing to what is closed/,
  ],
  [
    "tells nobody who listens late",
    broken((connection) =>
      change(connection, { attach: (handlers) => void (connection.closed || connection.attach(handlers)) }),
    ),
    /^a connection that broke before/,
  ],
  [
    "gives all connections the same bytes",
    () => {
      const all: ConnectionHandlers[] = [];
      return broken((connection) =>
        change(connection, {
          attach: (handlers) => {
            all.push(handlers);
            connection.attach({
              data: (chunk) => all.forEach((each) => each.data(chunk)),
              drain: () => handlers.drain(),
              close: (error) => handlers.close(error),
            });
          },
        }),
      )();
    },
    /^connections of one listener/,
  ],
  [
    "goes on accepting after its listener was closed",
    () => {
      const transport = memoryTransport();
      return {
        ...transport,
        listen: async (accept) => ({ ...(await transport.listen(accept)), close: () => undefined }),
      };
    },
    /^a closed listener refuses/,
  ],
  [
    "throws when its listener is closed again",
    () => {
      const transport = memoryTransport();
      return {
        ...transport,
        async listen(accept) {
          const listener = await transport.listen(accept);
          let closed = false;
          const close = (): void => {
            if (closed) throw new Error("closed already");
            closed = true;
            listener.close();
          };
          return { address: listener.address, close };
        },
      };
    },
    /^a closed listener refuses/,
  ],
  [
    "closes what is connected with its listener",
    () => {
      const transport = memoryTransport();
      return {
        ...transport,
        async listen(accept) {
          const connections: Connection[] = [];
          const listener = await transport.listen((connection) => {
            connections.push(connection);
            accept(connection);
          });
          const close = (): void => {
            listener.close();
            for (const connection of connections) connection.destroy();
          };
          return { address: listener.address, close };
        },
      };
    },
    /^a closed listener refuses/,
  ],
];

test.each(mutants)("a transport that %s fails the suite", async (_, make, objection) => {
  const failed: string[] = [];
  await Promise.all(
    transportChecks.map((check) => runTransportCheck(check, make(), 300).catch(() => failed.push(check.name))),
  );
  expect(failed).toContainEqual(expect.stringMatching(objection));
});

test("every check but the one of addresses is failed by some mutant", async () => {
  const failing = new Set<string>();
  for (const [, make] of mutants) {
    await Promise.all(
      transportChecks.map((check) => runTransportCheck(check, make(), 150).catch(() => failing.add(check.name))),
    );
  }
  const never = transportChecks.map(({ name }) => name).filter((name) => !failing.has(name));
  expect(never).toEqual(["two listeners have two addresses"]);
});
