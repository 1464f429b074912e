/** Asks a worker that has nothing to do whether it still works, through the protocol that its callers use. */
import { formatDuration } from "../../duration.ts";
import { BinaryExitError } from "../../errors.ts";
import type { Worker, WorkerHost } from "./worker.ts";

/** Fulfilled when the worker has been found well, or was ended. */
export async function probe(worker: Worker, host: WorkerHost): Promise<void> {
  const { timeoutMs, probe: look } = host.options.health!;
  worker.probed = true;
  const call = (value: unknown): Promise<unknown> => {
    const answer = new Promise<unknown>((resolve, reject) => {
      const encoded = host.framing.encode(value);
      const never = { timeoutMs: Infinity, queueTimeoutMs: Infinity, expiresAt: Infinity };
      if (worker.state === "ended") return reject(unhealthy(worker, "it has ended"));
      worker.give({ encoded, ...never, resolve, reject, probe: true, settled: false, off: undefined });
    });
    // A probe may ask without waiting for the answer.
    answer.catch(() => {});
    return answer;
  };
  const late = Promise.withResolvers<never>();
  const timer = host.clock.timer(timeoutMs, () =>
    late.reject(new Error(`it did not answer within ${formatDuration(timeoutMs)}`)),
  );
  try {
    const verdict = await Promise.race([Promise.resolve().then(() => look(call)), late.promise]);
    if (verdict === false) throw new Error("the probe said no");
    worker.provenAt = host.clock.now();
    worker.probed = false;
    if (worker.state === "ready") host.free(worker);
  } catch (cause) {
    worker.end("unhealthy", unhealthy(worker, cause instanceof Error ? cause.message : String(cause), cause));
  } finally {
    timer.cancel();
  }
}

function unhealthy(worker: Worker, why: string, cause?: unknown): BinaryExitError {
  const facts = worker.facts();
  return new BinaryExitError(
    `Cannot go on with a worker of binary "${facts.binary}": its health probe failed (${why})`,
    {
      ...facts,
      cause,
    },
  );
}
