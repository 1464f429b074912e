/** Asked of every file that a process loads, so it comes without the parser. */

/** Whether code may import the package. True too often rather than too rarely. */
export function importsTinderbox(code: string): boolean {
  return /["'`]tinderbox["'`/]/.test(code) && /\b(?:import|require)\b/.test(code);
}
