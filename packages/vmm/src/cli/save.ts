/** `vkvm save`: boots a guest and writes it to a file while it runs. */
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { SaveMoment } from './save-moment.ts';
import { START_OPTIONS, startGuest } from './start.ts';
import { UsageError } from './status.ts';
import { parseSeconds } from './values.ts';

export const SAVE_OPTIONS = {
  at: { value: 'TEXT', help: 'save once the guest has printed this' },
  after: { value: 'SECONDS', help: 'save after this time' },
  ...START_OPTIONS,
} as const;

/** Text of `vkvm save --help`. */
export const SAVE_HELP = `Usage: vkvm save FILE (--at TEXT | --after SECONDS) [options]

Boots a guest as vkvm start does (or vkvm run, with --kernel), writes the whole machine to FILE at the
moment you name, and ends. In a terminal, Ctrl-A s names it. vkvm restore FILE goes on from there, any
number of times. What the guest needs to boot again is in the file, too. The format is open: docs/snapshot.md.

${describeOptions(SAVE_OPTIONS)}

Exit status: 0 saved, 1 the guest ended before; others as of vkvm run.
`;

/** @returns the exit status */
export async function save(
  host: CliHost,
  { at, after, ...options }: Options<typeof SAVE_OPTIONS>,
  [path, ...others]: readonly string[],
): Promise<number> {
  if (path === undefined || others.length > 0) {
    throw new UsageError('vkvm save needs one file to write: vkvm save FILE --at TEXT');
  }
  if (at === '') throw new UsageError('--at needs a text that the guest prints');
  if (at === undefined && after === undefined && !host.isTerminalInput) {
    throw new UsageError('when to save? give --at TEXT or --after SECONDS');
  }
  if (options.deterministic && (after !== undefined || at === undefined)) {
    throw new UsageError(
      '--deterministic: seconds and keys come at another moment each time; say when with --at TEXT',
    );
  }
  const seconds = after === undefined ? undefined : parseSeconds('--after', after);
  return startGuest(host, options, new SaveMoment({ path, text: at, seconds }));
}
