/** What a resumable connection keeps, and waits for, at most. */

/** Kept for the other side before `write` says that it is behind. */
export const retainedBytes = 4 * 2 ** 20;
/** Received before an ack is sent, with data or by itself; and how long one waits for so much. */
export const ackWithDataBytes = 16 * 1024;
export const ackBytes = 128 * 1024;
export const ackMs = 50;
/** Kept for handlers that are not attached yet, before the link is no longer read. */
export const earlyBytes = 1024 * 1024;
/** What a link may take to flush its last frames. */
export const flushMs = 2_000;
