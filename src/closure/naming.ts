/** Pieces of generated code. */

/** Names that nothing in the given texts can be confused with. */
export function freshNames(...texts: readonly string[]): (index: number) => string {
  let prefix = "$tb";
  while (texts.some((text) => text.includes(prefix))) prefix += "_";
  return (index) => `${prefix}${index}`;
}

/**
 * The text to put before and behind an anonymous function or class so that the language names it. Not a computed key as
 * long as there is a choice: V8 lets one overwrite a static method called `name`.
 */
export function naming(name: string): readonly [before: string, after: string] {
  const key = JSON.stringify(name);
  return [`({ ${name === "__proto__" ? `[${key}]` : key}: (`, `) })[${key}]`];
}
