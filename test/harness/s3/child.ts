import { rmSync } from "node:fs";
import { type Served, serveParent } from "../calls.ts";
import type { ActiveFault } from "./faults.ts";
import type { Calls } from "./protocol.ts";
import { type S3Server, startS3 } from "./server.ts";

// The server as a process of its own: see spawn.ts. It lives as long as the channel to its parent.

let server: S3Server | undefined;
let folder: string | undefined;
const faults: ActiveFault[] = [];

function running(): S3Server {
  if (!server) throw new Error("Cannot call the S3 server: it has not started");
  return server;
}

function faultOf(id: number): ActiveFault {
  const fault = faults[id];
  if (!fault) throw new Error(`Cannot find fault ${id}`);
  return fault;
}

const calls: Served<Calls> = {
  async start(options) {
    folder = options.folder;
    server = await startS3(options);
    const { endpoint, virtualEndpoint, region, credentials } = server;
    return { endpoint, virtualEndpoint, region, credentials };
  },
  credentialsFor: (name, options) => running().credentialsFor(name, options),
  addFault: (fault) => faults.push(running().faults.add(fault)) - 1,
  releaseFault: (id) => faultOf(id).release(),
  struckBy: (id) => faultOf(id).struck,
  clearFaults: () => running().faults.clear(),
  requests: () => [...running().requests.log],
  keys: (bucket) => running().buckets.keys(bucket),
  etag: (bucket, key) => running().buckets.etag(bucket, key),
  parts: () => running().parts(),
  partition: (options) => running().partition(options),
  heal: () => running().heal(),
  memory() {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  },
};

serveParent(calls, () => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
