/** What a {@link LoadError} is about: one of the files, or their sum against the RAM there is. */
export type LoadSubject = 'kernel' | 'dtb' | 'memory';

/** A file that cannot be loaded into the guest. The message says why and what to do about it. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
  readonly subject: LoadSubject;

  constructor(message: string, options?: ErrorOptions & { readonly subject?: LoadSubject }) {
    super(message, options);
    this.subject = options?.subject ?? 'kernel';
  }
}
