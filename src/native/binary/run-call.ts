/** What `run` returns: a promise of the result, and the program's streams. */
import type { RunResult } from "./result.ts";
import type { Run } from "./run.ts";

export class BinaryRun<Output> extends Promise<RunResult<Output>> {
  #run!: Run;

  /** One that may fail unheard: who reads its stdout is told there. */
  static begin(make: (resolve: (result: never) => void, reject: (error: unknown) => void) => Run): BinaryRun<never> {
    let run: Run | undefined;
    const call = new BinaryRun<never>((resolve, reject) => {
      run = make(resolve, reject);
    });
    call.catch(() => {});
    call.#run = run!;
    return call;
  }

  /** What is written to it goes to the program as fast as it reads. To be taken before anything is awaited. */
  get stdin(): WritableStream<Uint8Array | string> {
    return this.#run.stdin;
  }

  /** The program waits for whoever reads it; it fails when the run does. The result then has no `stdout`. */
  get stdout(): ReadableStream<Uint8Array> {
    return this.#run.stdout.stream();
  }

  get stderr(): ReadableStream<Uint8Array> {
    return this.#run.stderr.stream();
  }

  /** Undefined until the program has been started. */
  get pid(): number | undefined {
    return this.#run.pid;
  }
}

// For `await` it is a promise like any other; what `then` makes is a plain one.
Object.defineProperty(BinaryRun.prototype, "constructor", { value: Promise });
