import type { Credentials } from "./authenticate.ts";
import type { Fault } from "./faults.ts";
import type { PartitionOptions } from "./partition.ts";
import type { LoggedRequest } from "./requests.ts";
import type { CredentialsOptions, S3Options, S3Server } from "./server.ts";

/** What a test asks of a server in another process: the name of a call and its arguments, with an answer each. */
export interface Calls {
  start(options: S3Options): { endpoint: string; virtualEndpoint: string; region: string; credentials: Credentials };
  credentialsFor(name: string, options?: CredentialsOptions): Credentials;
  /** Answers with a number for the calls below. */
  addFault(fault: Fault): number;
  releaseFault(id: number): void;
  struckBy(id: number): number;
  clearFaults(): void;
  requests(): LoggedRequest[];
  keys(bucket: string): readonly string[];
  etag(bucket: string, key: string): string | undefined;
  parts(): ReturnType<S3Server["parts"]>;
  partition(options?: PartitionOptions): void;
  heal(): void;
  /** Resident memory in bytes now, after a collection of garbage if the process offers one. */
  memory(): number;
}
