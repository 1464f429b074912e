/** Node's own `import()`. Loaded by `require`, past the module runner of a bundler, which would take the call for its own. */
export const importModule = (url: string): Promise<unknown> => import(url);
