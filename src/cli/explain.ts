/** What a command tells of its failure. */

/**
 * Mistakes of the user are told in a line, and the exit code is 1. Anything else is a defect and goes on, with its
 * stack.
 */
export async function explained(command: string, run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("Cannot ")) throw error;
    process.stderr.write(`tinderbox ${command}: ${error.message}\n`);
    process.exitCode = 1;
  }
}
