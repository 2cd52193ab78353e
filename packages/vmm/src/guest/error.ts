/** A guest that cannot be had. The message is one line: cause, then what can be done. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}
