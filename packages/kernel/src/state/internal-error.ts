/** Our own mistake, never a guest's or a VMM's: dispatch turns it into `-EIO` and a report. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
}
