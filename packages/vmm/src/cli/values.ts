/** Values of options: sizes, counts, times, versions. */
import { PROFILES, PSCI_VERSIONS } from '@vkvm/uapi';
import type { ProfileName, PsciVersion } from '@vkvm/uapi';
import { MIB } from '../loader/ram.ts';
import { formatPsci } from '../machine/hardware.ts';
import { PSCI_OWNERS } from '../smccc/ownership.ts';
import type { PsciOwner } from '../smccc/ownership.ts';
import { GUEST_SERVICES } from '../smccc/services.ts';
import type { GuestService } from '../smccc/services.ts';
import type { KernelChoice } from './host.ts';
import { UsageError } from './status.ts';

const UNITS: Readonly<Record<string, number>> = { '': MIB, K: 1024, M: MIB, G: 1024 * MIB };

/** `512M`, `1G`, `524288K`; a bare number counts MiB. @returns bytes */
export function parseSize(option: string, value: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(value) ?? [];
  const factor = UNITS[unit?.toUpperCase() ?? '-'];
  if (digits === undefined || factor === undefined) {
    throw new UsageError(`${option} ${value}: not a size; write 512M or 1G`);
  }
  return Math.round(Number(digits) * factor);
}

/** A whole number. */
export function parseCount(option: string, value: string): number {
  if (!/^\d{1,6}$/.test(value)) throw new UsageError(`${option} ${value}: not a whole number; write 1, 2, …`);
  return Number(value);
}

/** A time in seconds, more than zero; fractions are fine. */
export function parseSeconds(option: string, value: string): number {
  const seconds = Number(value);
  if (value.trim() === '' || !(seconds > 0 && seconds <= 1e6)) {
    throw new UsageError(`${option} ${value}: not a time; write seconds, such as 60 or 0.5`);
  }
  return seconds;
}

/** A PSCI version, such as `1.1`. */
export function parsePsci(option: string, value: string): PsciVersion {
  const version = PSCI_VERSIONS.find((known) => formatPsci(known) === value);
  if (version === undefined) {
    const known = PSCI_VERSIONS.map((each) => formatPsci(each)).join(', ');
    throw new UsageError(`${option} ${value}: no such version; there are ${known}`);
  }
  return version;
}

/** The option that chooses the kernel to behave as. */
export const PROFILE_OPTION = {
  profile: {
    value: 'P',
    help: `kernel to behave as: ${PROFILES.map(({ name }) => name).join(', ')} (default the newest)`,
  },
} as const;

/** A profile, such as `linux-6.1`. */
export function parseProfile(option: string, value: string): ProfileName {
  const profile = PROFILES.find(({ name }) => name === value);
  if (profile) return profile.name;
  const known = PROFILES.map(({ name }) => name).join(', ');
  throw new UsageError(`${option} ${value}: no such profile; there are ${known}`);
}

/** What `--profile` chooses; nothing without it. */
export const profileChoice = (value: string | undefined): { readonly profile?: ProfileName } =>
  value === undefined ? {} : { profile: parseProfile('--profile', value) };

/** The option that has guest code interpreted only. */
export const TIER_OPTION = {
  'no-jit': { help: 'interpret all guest code, compile none' },
} as const;

/** What options choose of the kernel. */
export const kernelChoice = (options: {
  readonly profile: string | undefined;
  readonly 'no-jit': boolean;
  readonly deterministic: boolean;
}): KernelChoice => ({
  ...profileChoice(options.profile),
  ...(options['no-jit'] && { tier: 'none' }),
  deterministic: options.deterministic,
  runsGuest: true,
});

/** Services of a guest: names with commas between, or `none`. */
export function parseServices(option: string, value: string): readonly GuestService[] {
  if (value === 'none') return [];
  return value.split(',').map((name) => {
    const service = GUEST_SERVICES.find((known) => known === name);
    if (service) return service;
    throw new UsageError(
      `${option} ${value}: no service ${name === '' ? 'without a name' : name}; there are none, or ${GUEST_SERVICES.join(', ')}`,
    );
  });
}

/** Who serves PSCI. */
export function parsePsciOwner(option: string, value: string): PsciOwner {
  const owner = PSCI_OWNERS.find((known) => known === value);
  if (owner === undefined) {
    throw new UsageError(`${option} ${value}: no such owner; there are ${PSCI_OWNERS.join(', ')}`);
  }
  return owner;
}
