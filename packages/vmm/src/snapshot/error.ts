/** What can be wrong with a snapshot. */
export type SnapshotFault =
  | 'not a snapshot'
  | 'damaged'
  | 'truncated'
  | 'too new'
  | 'does not fit'
  | 'not now';

/** A snapshot that cannot be written or used. The message is one line: cause, then remedy. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly fault: SnapshotFault;

  constructor(fault: SnapshotFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
