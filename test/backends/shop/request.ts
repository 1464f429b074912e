import { AsyncLocalStorage } from "node:async_hooks";

/** Whose request it is, as applications keep it. */
export const request = new AsyncLocalStorage<string>();
