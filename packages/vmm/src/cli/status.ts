/** Exit statuses of the command, and the errors that lead to them. */

/** The guest powered off, or the command did what it was asked. */
export const STATUS_OK = 0;
/** What was compared differs, or what was waited for did not happen. */
export const STATUS_FAILURE = 1;
/** Wrong usage, or an input that cannot be read or used. */
export const STATUS_USAGE = 2;
/** The guest asked for a reset under `--no-reboot`. */
export const STATUS_RESET = 3;
/** Kernel and VMM do not fit together. */
export const STATUS_ABI_MISMATCH = 4;
/** The guest or its VM crashed. */
export const STATUS_CRASH = 5;
/** `--timeout` has passed. */
export const STATUS_TIMEOUT = 124;

/** A wrong command line, file or environment. The message is one line: cause, then remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Status for each error that is not ours, by its `name`: two copies of a package may be loaded. */
const STATUS_OF: Readonly<Record<string, number>> = {
  UsageError: STATUS_USAGE,
  ConfigError: STATUS_USAGE,
  LoadError: STATUS_USAGE,
  SnapshotError: STATUS_USAGE,
  GuestError: STATUS_USAGE,
  AbiMismatchError: STATUS_ABI_MISMATCH,
  KvmError: STATUS_CRASH,
  ProcessError: STATUS_CRASH,
};

/** What to say about an error, in one line, and the status to end with. */
export function explain(error: unknown): { readonly message: string; readonly status: number } {
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  const status = STATUS_OF[name];
  if (status !== undefined) return { message, status };
  return { message: `internal error: ${message}; please report it`, status: STATUS_CRASH };
}
