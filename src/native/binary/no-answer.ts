/** What a worker wrote is no answer. The message completes "it ...". */
export class NoAnswer extends Error {}
