/**
 * Why a resumable connection ends that nobody has ended, with the codes that the kernel has for a socket. `unread`: the other side has certainly not
 * read the last byte that was written.
 */

/** Its window has passed. */
export function givenUpError(windowMs: number, unread: boolean): Error {
  const message = `Cannot go on with a connection: it has been without a link for ${Math.round(windowMs)} ms; see whether the other machine is up and can be reached`;
  return Object.assign(new Error(message), { code: "ETIMEDOUT", ...(unread ? { unread } : {}) });
}

/** The other side has closed it, or knows nothing of it any more. */
export function lostError(unread: boolean): Error {
  const error = new Error("Cannot go on with a connection: the other side has closed it");
  return Object.assign(error, { code: "ECONNRESET", ...(unread ? { unread } : {}) });
}
