/** `stdin` of a call as a stream: what is written to it waits for the program to read. */
import type { Writable } from "node:stream";

export class InputStream {
  readonly stream: WritableStream<Uint8Array | string>;
  readonly #stdin = Promise.withResolvers<Writable>();
  #controller!: WritableStreamDefaultController;

  constructor() {
    // A call that fails before it starts tells whoever awaits it.
    this.#stdin.promise.catch(() => {});
    this.stream = new WritableStream<Uint8Array | string>(
      {
        start: (controller) => void (this.#controller = controller),
        write: async (chunk) => {
          const stdin = await this.#stdin.promise;
          if (!stdin.write(chunk)) await drained(stdin);
        },
        close: async () => void (await this.#stdin.promise).end(),
        // Half an input is none: the program is not to take it for a whole one, and is ended by its caller.
        abort: async () => void (await this.#stdin.promise).destroy(),
      },
      { highWaterMark: 1 },
    );
  }

  attach(stdin: Writable): void {
    this.#stdin.resolve(stdin);
  }

  /** The program has ended: nobody reads any more. */
  fail(error: unknown): void {
    this.#stdin.reject(error);
    this.#controller.error(error);
  }
}

function drained(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      stdin.off("drain", go);
      stdin.off("close", go);
      resolve();
    };
    if (stdin.destroyed) return resolve();
    stdin.once("drain", go);
    stdin.once("close", go);
  });
}
