/**
 * Which kernel the process's /dev/kvm behaves as. One word of the arena's header, so all threads and VMs agree.
 *
 * A row of a table says with `since` and `until` in which releases it holds; a choice in the code names its releases and
 * the reason in a constant beside it. Where the release is not known, the first profile stands for it. A fix that went
 * into stable releases out of order names the profiles.
 */
import { PROFILES, releaseNumber } from '@vkvm/uapi';
import type { ProfileName, ReleaseRange } from '@vkvm/uapi';

import { PROFILE } from './arena.ts';
import type { Words } from './words.ts';

/** Whatever lies in the process memory. */
interface InMemory {
  readonly words: Words;
}

/** A range of releases as numbers. */
export interface Releases {
  readonly from: number;
  /** The first that is not in it. */
  readonly until: number;
}

/** Later than any release, and a small integer: comparing with Infinity is a comparison of doubles. */
const NEVER = 0x3fff_ffff;

/** Makes a range ready to be asked for. */
export const releases = ({ since, until }: ReleaseRange): Releases => ({
  from: since === undefined ? 0 : releaseNumber(since),
  until: until === undefined ? NEVER : releaseNumber(until),
});

/** The release of the profile: major << 16 | minor. */
export const releaseOf = (words: Words): number => words.get32(PROFILE);

/** Whether the profile is this release or a later one. @param release - a `releaseNumber` */
export const since = ({ words }: InMemory, release: number): boolean => words.get32(PROFILE) >= release;

/** Whether the profile is in a range. */
export function holds({ words }: InMemory, { from, until }: Releases): boolean {
  const release = words.get32(PROFILE);
  return release >= from && release < until;
}

/** The release of the one profile that is not what Linux shipped. */
export const RFC_2013 = PROFILES.find(({ name }) => name === 'rfc-2013')!.number;

const NUMBERS = new Map<ProfileName, number>(PROFILES.map(({ name, number }) => [name, number]));

/** Whether the profile is one of these. */
export const isOneOf = ({ words }: InMemory, names: readonly ProfileName[]): boolean =>
  names.some((name) => NUMBERS.get(name) === words.get32(PROFILE));
