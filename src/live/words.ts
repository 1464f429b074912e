/** What an end of a reference says to the other one: items, and the last word. */
import type { Payload } from "../value/port.ts";
import { weigh } from "./window.ts";

export interface WordsHost {
  /** Throws `CaptureError` for what cannot travel. */
  encode(value: unknown, root: string): Payload;
  encodeFailure(error: unknown): Payload;
}

export type Say = (reference: number, back: boolean, mark: number, payload: Payload) => void;

export class Words {
  readonly #host: WordsHost;
  readonly #say: Say;

  /** `say` does nothing when nobody listens any more. */
  constructor(host: WordsHost, say: Say) {
    this.#host = host;
    this.#say = say;
  }

  /** What it counts for, once it is said. */
  item(reference: number, back: boolean, value: unknown, copy: boolean): number | Promise<number> {
    const payload = this.#host.encode(value, "item");
    const say = (): number => {
      const buffers = copy ? payload.buffers.map((buffer) => new Uint8Array(buffer)) : payload.buffers;
      this.#say(reference, back, 0, { ...payload, buffers });
      return weigh(payload);
    };
    return payload.pending ? payload.pending.then(say) : say();
  }

  last(reference: number, back: boolean, value: unknown): void {
    const fail = (error: unknown): void => this.failure(reference, back, error);
    try {
      const payload = this.#host.encode(value, "result");
      const say = (): void => this.#say(reference, back, 1, payload);
      if (payload.pending) payload.pending.then(say).catch(fail);
      else say();
    } catch (error) {
      fail(error);
    }
  }

  failure(reference: number, back: boolean, error: unknown): void {
    this.#say(reference, back, 2, this.#host.encodeFailure(error));
  }

  /** Plain data by itself; undefined for what cannot be. */
  plain(value: unknown): Uint8Array | undefined {
    try {
      const { bytes, buffers, live, pending } = this.#host.encode(value, "reason");
      return buffers.length > 0 || live || pending ? undefined : bytes;
    } catch {
      return undefined;
    }
  }
}
