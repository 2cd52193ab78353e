/** `vkvm restore`: goes on with a guest that was saved. */
import { createProcess } from '../kvm/process.ts';
import { alignUp, MIB } from '../loader/ram.ts';
import { processSize } from '../machine/config.ts';
import { restoreMachine } from '../snapshot/restore.ts';
import { openSnapshot } from '../snapshot/snapshot.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { RUN_OPTIONS, UnmappedAccesses, checkKeyboard, runMode, runToEnd } from './run.ts';
import { UsageError } from './status.ts';
import { kernelChoice, parseCount, parseSize } from './values.ts';

export const RESTORE_OPTIONS = {
  profile: RUN_OPTIONS.profile,
  'drop-safe': { help: 'leave out registers that this kernel lacks and the guest can do without' },
  memory: { value: 'SIZE', help: 'refuse the guest if it was saved with another size' },
  smp: { value: 'N', help: 'refuse the guest if it was saved with another number of vCPUs' },
  timeout: RUN_OPTIONS.timeout,
  'no-reboot': RUN_OPTIONS['no-reboot'],
  stats: RUN_OPTIONS.stats,
  'no-jit': RUN_OPTIONS['no-jit'],
  deterministic: RUN_OPTIONS.deterministic,
  input: RUN_OPTIONS.input,
} as const;

/** Text of `vkvm restore --help`. */
export const RESTORE_HELP = `Usage: vkvm restore FILE [options]

Goes on with a guest that vkvm save wrote. The kernel may be another one than the guest was saved on
(--profile); what it does not take is named, and the guest does not run. A file that is damaged,
incomplete, or of a newer format is refused.

${describeOptions(RESTORE_OPTIONS)}

Exit status: as of vkvm run; 2 the file cannot be used, 4 this kernel cannot hold the guest.
`;

/** @returns the exit status */
export async function restore(
  host: CliHost,
  options: Options<typeof RESTORE_OPTIONS>,
  [path, ...others]: readonly string[],
): Promise<number> {
  if (path === undefined || others.length > 0) {
    throw new UsageError('vkvm restore needs one file that vkvm save wrote: vkvm restore FILE');
  }
  checkKeyboard(host, options);
  const mode = await runMode(host, options);
  const wanted = {
    ...(options.memory !== undefined && { memory: alignUp(parseSize('--memory', options.memory), 2 * MIB) }),
    ...(options.smp !== undefined && { smp: parseCount('--smp', options.smp) }),
  };
  const kernel = kernelChoice(options);
  const unmapped = new UnmappedAccesses();
  using machine = await read();
  return await runToEnd(host, machine, {
    ...mode,
    unmapped,
  });

  async function read() {
    try {
      await using snapshot = await openSnapshot(host.readStream(path as string));
      const process = createProcess({ size: processSize(snapshot.config), shared: false });
      return await restoreMachine({
        syscalls: await host.createSyscalls(process, host.stderr, kernel),
        process,
        snapshot,
        wanted,
        host: host.machineHost,
        output: (bytes) => host.stdout(bytes.slice()),
        unmapped: unmapped.note,
        deterministic: options.deterministic,
        dropSafe: options['drop-safe'],
        report: host.stderr,
      });
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'SnapshotError') throw error;
      throw new UsageError(`${path}: ${error.message}`, { cause: error });
    }
  }
}
