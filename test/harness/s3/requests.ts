import type { Operation } from "./operations.ts";

/** One request, from its arrival on. */
export interface LoggedRequest {
  /** Undefined when it was refused before anybody knew what it wants. */
  readonly operation: Operation | undefined;
  readonly bucket: string;
  readonly key: string;
  readonly accessKeyId: string;
  /** What was answered; 0 while nothing is, and for ever when the connection went first. */
  readonly status: number;
}

/** What was asked of a server, in order of arrival. */
export class Requests {
  readonly #log: LoggedRequest[] = [];

  get log(): readonly LoggedRequest[] {
    return this.#log;
  }

  /** How many requests for an operation, or for any, have arrived. */
  count(operation?: Operation): number {
    return operation ? this.#log.filter((one) => one.operation === operation).length : this.#log.length;
  }

  clear(): void {
    this.#log.length = 0;
  }

  /** Notes an arrival. The answer's status is filled in later. */
  arrived(request: Omit<LoggedRequest, "status">): { status: number } {
    const entry = { ...request, status: 0 };
    this.#log.push(entry);
    return entry;
  }
}
