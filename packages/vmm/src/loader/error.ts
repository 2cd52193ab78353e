/** A file that cannot be loaded into the guest. The message says why and what to do about it. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}
