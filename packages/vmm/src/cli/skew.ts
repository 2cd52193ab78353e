/** `vkvm skew`: what differs between two kernels, and whether a guest can move from one to the other. */
import type { ProfileName } from '@vkvm/uapi';
import { createProcess } from '../kvm/process.ts';
import { MIB } from '../loader/ram.ts';
import { processSize } from '../machine/config.ts';
import type { FreshKernel } from '../skew/kernel.ts';
import { describeSkew, skewJson } from '../skew/report.ts';
import { compareKernels } from '../skew/skew.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { STATUS_FAILURE, STATUS_OK, UsageError } from './status.ts';
import { parseProfile } from './values.ts';

export const SKEW_OPTIONS = { json: { help: 'print JSON' } } as const;

/** Text of `vkvm skew --help`. */
export const SKEW_HELP = `Usage: vkvm skew A B [options]

Compares two kernels, such as linux-7.3 and linux-6.1: capabilities, registers, PSCI, system events, and
what a VMM may do. Then says whether a guest saved on A loads on B: yes, with changes (what vkvm restore
--drop-safe leaves out), or no, and why. The answer comes from trying it with an empty guest.

${describeOptions(SKEW_OPTIONS)}

Exit status: 0 the guest loads, with changes or without; 1 it does not; 2 wrong usage.
`;

/** Room for the machine that is tried. */
const PROCESS_SIZE = processSize({ memory: 8 * MIB, smp: 2 });

/** @returns the exit status */
export async function skew(
  host: CliHost,
  { json }: Options<typeof SKEW_OPTIONS>,
  profiles: readonly string[],
): Promise<number> {
  if (profiles.length !== 2) {
    throw new UsageError('vkvm skew compares two kernels: vkvm skew linux-7.3 linux-6.1');
  }
  const [a, b] = profiles.map((profile) => parseProfile('skew', profile)) as [ProfileName, ProfileName];
  const kernel =
    (profile: ProfileName): FreshKernel =>
    async () => {
      const process = createProcess({ size: PROCESS_SIZE, shared: false });
      return { process, syscalls: await host.createSyscalls(process, host.stderr, { profile }) };
    };
  const found = await compareKernels(kernel(a), kernel(b));
  const names = { a, b };
  host.stdout(json ? `${JSON.stringify(skewJson(found, names), null, 2)}\n` : describeSkew(found, names));
  return found.verdict.loads === 'no' ? STATUS_FAILURE : STATUS_OK;
}
