/** One thing at a time, in the order in which it was asked for: what makes a supervisor an actor. */

interface Job {
  run(): Promise<unknown>;
  refuse(): void;
}

export class Mailbox {
  #jobs: Job[] = [];
  #busy = false;

  /** The result of `job`, which runs when all that was asked before is done; or `refusal`, when it is not to run any more. */
  ask<T>(job: () => T | Promise<T>, refusal: () => Error): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const run = async (): Promise<void> => {
      try {
        resolve(await job());
      } catch (error) {
        reject(error);
      }
    };
    this.#add({ run, refuse: () => reject(refusal()) });
    return promise;
  }

  /** As `ask`, for a job that fails only by a mistake of ours; that is then an unhandled rejection. */
  tell(run: () => Promise<unknown>): void {
    this.#add({ run, refuse() {} });
  }

  /** What has not begun does not begin any more. */
  clear(): void {
    for (const job of this.#jobs.splice(0)) job.refuse();
  }

  #add(job: Job): void {
    this.#jobs.push(job);
    this.#next();
  }

  #next(): void {
    const job = this.#busy ? undefined : this.#jobs.shift();
    if (!job) return;
    this.#busy = true;
    void job.run().finally(() => {
      this.#busy = false;
      this.#next();
    });
  }
}
