/** Numbers that more than one place needs. */

/** Elixir's: 3 restarts within 5 seconds. */
export const defaultMaxRestarts = 3;
export const defaultWithinMs = 5_000;

/** What a worker may take to stop. */
export const defaultShutdownMs = 5_000;

/** What a killed child may take to be gone. */
export const defaultForgetMs = 5_000;

/** Of `backoff`, where only `initial` is given. */
export const defaultBackoffMaxMs = 30_000;
