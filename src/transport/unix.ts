/** Unix sockets: a listener in a folder of its own (0700), and the dial to it. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection, Listener } from "../ports/transport.ts";
import { reapFolders } from "./reap.ts";

/** What the kernel takes as a socket's path, less one for the zero: 108 bytes on Linux, 104 on macOS and the BSDs. */
const longestAddress = 103;

const readBytes = 64 * 1024;

/** Once in the life of a process, beside its work. */
let reaped: Promise<void> | undefined;

/**
 * Listens on a fresh socket that only this user can reach. Does not keep the process alive. `what` becomes part of the
 * folder's name, `tinderbox-<pid>_<what>...`, for those who look for it.
 */
export async function listenUnix(accept: (connection: Connection) => void, what = ""): Promise<Listener> {
  const folder = makeFolder(what);
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
    reaped ??= reapFolders(tmpdir(), folder);
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
    let receive: ((chunk: Buffer) => void) | undefined;
    const early: Buffer[] = [];
    const callback = (bytes: number, memory: Uint8Array): boolean => {
      const chunk = Buffer.from(memory.subarray(0, bytes));
      if (receive) receive(chunk);
      else early.push(chunk);
      return true;
    };
    // Reading into one piece of memory goes past the machinery of streams: a quarter of a small call on this side.
    const socket = connect({ path: address, onread: { buffer: Buffer.allocUnsafeSlow(readBytes), callback } });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(
        wrap(socket, (data) => {
          receive = data;
          for (const chunk of early.splice(0)) data(chunk);
        }),
      );
    });
  });
}

function wrap(
  socket: Socket,
  read = (data: (chunk: Buffer) => void): void => void socket.on("data", data),
): Connection {
  let failure: Error | undefined;
  // From the first moment on: an error that nobody listens to would end the process.
  socket.on("error", (error: NodeJS.ErrnoException) => {
    // On a local socket they have no other cause: the other side was closed before, or with something in its queue.
    if (error.code === "ECONNRESET" || error.code === "EPIPE") Object.assign(error, { unread: true });
    failure ??= error;
  });
  return {
    attach(handlers) {
      read((chunk) => handlers.data(chunk));
      socket.on("drain", () => handlers.drain());
      if (socket.closed) process.nextTick(() => handlers.close(failure));
      else socket.on("close", () => handlers.close(failure));
    },
    write: (chunk) => (socket.writable ? socket.write(chunk) : true),
    pause: (paused) => void (paused ? socket.pause() : socket.resume()),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    hold: (alive) => void (alive ? socket.ref() : socket.unref()),
  };
}

/** Folders that are to be removed when the process ends without closing its listeners. */
const folders = new Set<string>();

function makeFolder(what: string): string {
  const folder = mkdtempSync(join(tmpdir(), `tinderbox-${process.pid}_${what}`));
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
