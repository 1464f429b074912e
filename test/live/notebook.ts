/** What closures note where they run. Each process has its own. */
export const notes: string[] = [];

export function note(text: string): void {
  notes.push(text);
}
