/** Unix sockets: a listener in a folder of its own (0700), and the dial to it. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection, Listener } from "../ports/transport.ts";

/** What the kernel takes as a socket's path, less one for the zero: 108 bytes on Linux, 104 on macOS and the BSDs. */
const longestAddress = 103;

/** Listens on a fresh socket that only this user can reach. Does not keep the process alive. */
export async function listenUnix(accept: (connection: Connection) => void): Promise<Listener> {
  const folder = makeFolder();
  const address = join(folder, "s");
  try {
    if (Buffer.byteLength(address) > longestAddress) {
      throw new Error(
        `Cannot listen on ${address}: the path of a socket has at most ${longestAddress} bytes; set TMPDIR to a shorter one`,
      );
    }
    const server = createServer((socket) => accept(wrap(socket)));
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject);
      server.listen(address, resolve);
    });
    server.unref();
    return {
      address,
      close() {
        server.close();
        removeFolder(folder);
      },
    };
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
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
  // From the first moment on: an error that nobody listens to would end the process.
  socket.on("error", (error) => (failure ??= error));
  return {
    attach(handlers) {
      socket.on("data", (chunk) => handlers.data(chunk as Buffer));
      socket.on("drain", () => handlers.drain());
      if (socket.closed) process.nextTick(() => handlers.close(failure));
      else socket.on("close", () => handlers.close(failure));
    },
    write: (chunk) => (socket.writable ? socket.write(chunk) : true),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    hold: (alive) => void (alive ? socket.ref() : socket.unref()),
  };
}

/** Folders that are to be removed when the process ends without closing its listeners. */
const folders = new Set<string>();

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tinderbox-"));
  chmodSync(folder, 0o700);
  if (folders.size === 0) process.on("exit", removeAll);
  folders.add(folder);
  return folder;
}

function removeFolder(folder: string): void {
  folders.delete(folder);
  if (folders.size === 0) process.off("exit", removeAll);
  rmSync(folder, { recursive: true, force: true });
}

function removeAll(): void {
  for (const folder of folders) removeFolder(folder);
}
