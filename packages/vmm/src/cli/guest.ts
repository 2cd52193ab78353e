/** `vkvm guest debian`: gets a guest to boot. */
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { STATUS_OK, UsageError } from './status.ts';

export const GUEST_OPTIONS = {
  kernel: { value: 'NAME', help: 'cloud (default), full, or the name of a Debian kernel package' },
  with: { value: 'LIST', help: 'packages for its user space, with commas: python3-minimal,sqlite3' },
  refresh: { help: 'fetch the newest even if one is cached' },
  json: { help: 'print JSON' },
} as const;

/** Text of `vkvm guest --help`. */
export const GUEST_HELP = `Usage: vkvm guest debian [options]

Gets Debian's arm64 kernel and static busybox through apt, as any user and without changing the
system, builds an initial ramdisk, and prints where they are. With --with, the ramdisk also has
these packages and what they depend on, unpacked, and dash for scripts; no maintainer script has run.

${describeOptions(GUEST_OPTIONS)}
`;

/** @returns the exit status */
export async function guest(
  host: CliHost,
  options: Options<typeof GUEST_OPTIONS>,
  operands: readonly string[],
): Promise<number> {
  const [which = '', ...more] = operands;
  if (which !== 'debian' || more.length > 0) {
    throw new UsageError(`${['guest', ...operands].join(' ')}: there is one guest to get: vkvm guest debian`);
  }
  const files = await host.debianGuest({
    kernel: options.kernel ?? 'cloud',
    with: options.with?.split(',').filter((name) => name !== '') ?? [],
    refresh: options.refresh,
  });
  if (options.json) host.stdout(`${JSON.stringify(files, null, 2)}\n`);
  else host.stdout(`kernel ${files.kernel}\ninitrd ${files.initrd}\n`);
  return STATUS_OK;
}
