/** What is not answered as recorded yet. The aim is an empty list. */
export interface KnownFailure {
  readonly scenarios: readonly string[];
  /** Profiles that fail. */
  readonly profiles: readonly string[];
  /** What is missing. */
  readonly reason: string;
}

export const KNOWN_FAILURES: readonly KnownFailure[] = [];
