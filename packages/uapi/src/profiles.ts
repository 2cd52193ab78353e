/**
 * Profiles: the kernels that vkvm behaves as. Rows of the tables say with a range of Linux releases in which of them
 * they hold. Since ABI revision 2.
 */

import type { LinuxVersion } from './brand.ts';

/** A kernel to behave as. */
export interface ProfileRow<Name extends string = string> {
  readonly name: Name;
  /** The release whose place in the tables it takes. */
  readonly linux: LinuxVersion;
  /** What `KVM_CHECK_EXTENSION(VKVM_CAP_PROFILE)` answers: major << 16 | minor of `linux`. */
  readonly number: number;
  /** Whether its answers were recorded from that kernel, or reconstructed from its source and history. */
  readonly recorded: boolean;
}

const rows = [
  // Linux 3.12 with the exit that was proposed in October 2013.
  { name: 'rfc-2013', linux: '3.12', number: 0x0003_000c, recorded: false },
  { name: 'linux-5.10', linux: '5.10', number: 0x0005_000a, recorded: true },
  { name: 'linux-6.1', linux: '6.1', number: 0x0006_0001, recorded: true },
  { name: 'linux-6.12', linux: '6.12', number: 0x0006_000c, recorded: true },
  { name: 'linux-7.3', linux: '7.3', number: 0x0007_0003, recorded: true },
] as const satisfies readonly ProfileRow[];

/** Name of a profile. */
export type ProfileName = (typeof rows)[number]['name'];

/** Every profile, oldest first. */
export const PROFILES: readonly ProfileRow<ProfileName>[] = rows;

/** The profile of a kernel that is not asked for one: the newest. */
export const DEFAULT_PROFILE: ProfileName = 'linux-7.3';

/** The releases in which a row holds. Both absent: all. */
export interface ReleaseRange {
  /** The first release, or where that is not known the first profile. */
  readonly since?: LinuxVersion;
  /** The first release in which it holds no more. */
  readonly until?: LinuxVersion;
}

/** A release as a number that can be compared: major << 16 | minor. */
export const releaseNumber = (version: LinuxVersion): number => {
  const [major = '', minor = ''] = version.split('.');
  return (Number(major) << 16) | Number(minor);
};

/** Whether a row holds in a release. @param release - as {@link releaseNumber} gives it, or a profile's `number` */
export const holdsIn = ({ since, until }: ReleaseRange, release: number): boolean =>
  (since === undefined || release >= releaseNumber(since)) &&
  (until === undefined || release < releaseNumber(until));
