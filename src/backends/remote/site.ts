/** What backends of remote machines have in common: one site, opened when the first machine is needed, for all pools that use it. */
import type { Backend, BackendDefaults, BootRequest, Machine } from "../../ports/backend.ts";
import type { Connection } from "../../ports/transport.ts";

/** Everything that is outside of this process. */
export interface RemoteSite {
  /** Where machines find this process; empty where it goes to them. */
  readonly address: string;
  /** `accept` is where the connections of that machine go. */
  boot(request: BootRequest, accept: (connection: Connection) => void): Promise<Machine>;
  close(): Promise<void>;
}

export interface RemoteWiring {
  readonly name: string;
  readonly defaults: BackendDefaults;
  /** Once for each time that pools need machines; until then nothing is asked of anybody. A failure is not kept. */
  open(): Promise<RemoteSite>;
  /** Something that is in nobody's way, but should be known. */
  trouble(error: unknown): void;
}

export function remoteBackend({ name, defaults, open, trouble }: RemoteWiring): Backend {
  const accepts = new Map<string, (connection: Connection) => void>();
  let site: Promise<RemoteSite> | undefined;
  let listeners = 0;
  let listened = 0;
  let closing: Promise<void> = Promise.resolve();
  const running = (): Promise<RemoteSite> => {
    // The next one may listen where the last one did.
    const opening = (site ??= closing.then(open));
    opening.catch(() => (site === opening ? (site = undefined) : undefined));
    return opening;
  };
  return {
    name,
    defaults,
    /** Each has an address of its own, by which its boots find it again. */
    async listen(accept) {
      const opened = await running();
      const address = `${opened.address}#${++listened}`;
      accepts.set(address, accept);
      listeners++;
      return {
        address,
        close() {
          if (!accepts.delete(address) || --listeners > 0) return;
          site = undefined;
          closing = opened.close().catch(trouble);
        },
      };
    },
    boot: async (request) =>
      (await running()).boot(request, (connection) => (accepts.get(request.address) ?? refuse)(connection)),
  };
}

function refuse(connection: Connection): void {
  connection.destroy();
}
