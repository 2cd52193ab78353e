/** What is not answered as recorded yet. The aim is an empty list. */
export interface KnownFailure {
  readonly scenarios: readonly string[];
  /** Profiles that fail. */
  readonly profiles: readonly string[];
  /** What is missing. */
  readonly reason: string;
}

export const KNOWN_FAILURES: readonly KnownFailure[] = [
  {
    scenarios: ['device-create-types'],
    profiles: ['linux-5.10', 'linux-6.1', 'linux-6.12', 'linux-7.3'],
    reason: 'there is no interrupt translation service',
  },
];
