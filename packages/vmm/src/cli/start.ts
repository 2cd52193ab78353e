/** `vkvm start`: something real runs, with nothing prepared. */
import { builtinGuest } from '../guest/builtin.ts';
import { encodeScript } from '../guest/init-script.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost, GuestFiles } from './host.ts';
import { machineParts } from './machine-parts.ts';
import { ProfileRun } from './profile-run.ts';
import { RUN_OPTIONS, checkKeyboard, runGuest, runMachine, runMode } from './run.ts';
import type { SaveMoment } from './save-moment.ts';
import { UsageError } from './status.ts';
import { kernelChoice } from './values.ts';

export const START_OPTIONS = {
  ...RUN_OPTIONS,
  guest: { value: 'NAME', help: 'debian (default; without apt: builtin) or builtin' },
  script: { value: 'TEXT', help: 'shell commands for the guest; it powers off after them' },
} as const;

/** Text of `vkvm start --help`. */
export const START_HELP = `Usage: vkvm start [options]

Boots Debian's arm64 kernel, which apt fetches once. In a terminal you get the guest's shell (type
exit to power off; Ctrl-A x quits); otherwise a short script runs and the guest powers off.
Without apt, a small built-in guest runs instead. Other options are those of vkvm run.

${describeOptions(START_OPTIONS)}
`;

/** Seconds for a mirror's first answer: there is another guest to start. */
const PATIENCE = 4;

/** What the guest does when nobody is there to type. */
const DEMO_SCRIPT = `uname -a
cat /proc/cpuinfo
cat /proc/interrupts
free
dmesg | grep -i psci`;

/** @returns the exit status */
export const start = (host: CliHost, options: Options<typeof START_OPTIONS>): Promise<number> =>
  startGuest(host, options);

/** Starts a guest, ready-made or of the user's. @returns the exit status */
export async function startGuest(
  host: CliHost,
  options: Options<typeof START_OPTIONS>,
  save?: SaveMoment,
): Promise<number> {
  const wanted = options.guest ?? 'debian';
  if (wanted !== 'debian' && wanted !== 'builtin') {
    throw new UsageError(`--guest ${wanted}: there are debian and builtin`);
  }
  if (options.kernel !== undefined && options.guest !== undefined) {
    throw new UsageError('--guest and --kernel both say what to boot; leave one of them away');
  }
  if (options.script !== undefined && (options.kernel !== undefined || wanted === 'builtin')) {
    const guest = options.kernel === undefined ? 'the built-in guest' : 'a kernel of your own';
    throw new UsageError(`--script is for Debian, ${guest} has no shell that takes it; leave it away`);
  }
  if (options.kernel !== undefined) {
    checkKeyboard(host, options);
    return runGuest(host, options, save);
  }
  const files = wanted === 'debian' ? await findDebian(host) : undefined;
  if (!files) return runBuiltin(host, options, save);
  const isInteractive = options.input !== undefined || (host.isTerminalInput && host.isTerminalOutput);
  const script = options.script ?? (isInteractive ? undefined : DEMO_SCRIPT);
  if (script === undefined) checkKeyboard(host, options);
  const append = ['console=ttyAMA0', script !== undefined && encodeScript(script), options.append];
  if (script === undefined && options.input === undefined) {
    host.stderr(`${files.name}: type exit to power off, Ctrl-A x to quit`);
  }
  return runGuest(
    host,
    {
      ...options,
      kernel: files.kernel,
      initrd: options.initrd ?? files.initrd,
      append: append.filter(Boolean).join(' '),
    },
    save,
  );
}

async function findDebian(host: CliHost): Promise<GuestFiles | undefined> {
  try {
    return await host.debianGuest({ kernel: 'cloud', patience: PATIENCE });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'GuestError') throw error;
    host.stderr(`${error.message}; starting the built-in guest instead`);
    return undefined;
  }
}

async function runBuiltin(
  host: CliHost,
  options: Options<typeof START_OPTIONS>,
  save: SaveMoment | undefined,
): Promise<number> {
  const mode = await runMode(host, options);
  const smp = options.smp ?? (options.psci === 'none' ? '1' : '2');
  const parts = await machineParts(host, { ...options, smp, kernel: builtinGuest() }, kernelChoice(options));
  const profile = await ProfileRun.of(host, options, parts.config.kernel);
  return runMachine(host, parts, { ...mode, label: {}, save, profile });
}
