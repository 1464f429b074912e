/** Whether somebody listens. */
import { connect } from "node:net";

export type Target = { readonly port: number; readonly host?: string } | { readonly socket: string };

/** True when a connection could be made in the time; it is closed at once. Never rejects. */
export function connects(target: Target, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(
      "socket" in target ? { path: target.socket } : { port: target.port, host: target.host ?? "127.0.0.1" },
    );
    const end = (found: boolean): void => {
      socket.destroy();
      resolve(found);
    };
    socket.setTimeout(timeoutMs === Infinity ? 0 : timeoutMs, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
