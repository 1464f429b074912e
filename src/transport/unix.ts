/** Unix sockets: a listener in a folder of its own (0700), and the dial to it. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection, Listener } from "../ports/transport.ts";

/** Listens on a fresh socket that only this user can reach. Does not keep the process alive. */
export function listenUnix(accept: (connection: Connection) => void): Promise<Listener> {
  const folder = mkdtempSync(join(tmpdir(), "tinderbox-"));
  chmodSync(folder, 0o700);
  const address = join(folder, "s");
  const server = createServer((socket) => accept(wrap(socket)));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      remove();
      reject(error);
    });
    server.listen(address, () => {
      server.unref();
      resolve({
        address,
        close() {
          server.close();
          process.off("exit", remove);
          remove();
        },
      });
    });
  });
}

/** Connects to a listener's address. */
export function dialUnix(address: string): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(wrap(socket));
    });
  });
}

function wrap(socket: Socket): Connection {
  let failure: Error | undefined;
  return {
    attach(handlers) {
      socket.on("data", (chunk) => handlers.data(chunk as Buffer));
      socket.on("drain", () => handlers.drain());
      socket.on("error", (error) => (failure ??= error));
      socket.on("close", () => handlers.close(failure));
    },
    write: (chunk) => (socket.writable ? socket.write(chunk) : true),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    hold: (alive) => void (alive ? socket.ref() : socket.unref()),
  };
}
