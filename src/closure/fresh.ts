/** Names for generated code that nothing in the given texts can be confused with. */
export function freshNames(...texts: readonly string[]): (index: number) => string {
  let prefix = "$tb";
  while (texts.some((text) => text.includes(prefix))) prefix += "_";
  return (index) => `${prefix}${index}`;
}
