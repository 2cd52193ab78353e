/**
 * Which kernel the process's /dev/kvm behaves as. One word of the arena's header, so all threads and VMs agree.
 *
 * A row of a table says its range of releases with `since` and `until`; a choice in the code names the release and the
 * reason in a constant beside it. Where a fix went into stable releases out of order, the choice names the profiles.
 */
import { PROFILES, holdsIn } from '@vkvm/uapi';
import type { ProfileName, ReleaseRange } from '@vkvm/uapi';

import { PROFILE } from './arena.ts';
import type { Words } from './words.ts';

/** Whatever lies in the process memory. */
interface InMemory {
  readonly words: Words;
}

/** The release of the profile: major << 16 | minor. */
export const releaseOf = (words: Words): number => words.get32(PROFILE);

/** Whether the profile is this release or a later one. @param release - a {@link releaseNumber} */
export const since = ({ words }: InMemory, release: number): boolean => words.get32(PROFILE) >= release;

/** Whether a row holds in the profile. */
export const holds = ({ words }: InMemory, range: ReleaseRange): boolean =>
  (range.since === undefined && range.until === undefined) || holdsIn(range, words.get32(PROFILE));

const NUMBERS = new Map<ProfileName, number>(PROFILES.map(({ name, number }) => [name, number]));

/** Whether the profile is one of these. */
export const isOneOf = ({ words }: InMemory, ...names: readonly ProfileName[]): boolean =>
  names.some((name) => NUMBERS.get(name) === words.get32(PROFILE));
