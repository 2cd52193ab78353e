/** `vkvm caps`: what the kernel can do. */
import { CAPS } from '@vkvm/uapi';
import { identifyKernel } from '../kvm/abi-check.ts';
import { openKvm } from '../kvm/kvm.ts';
import { createProcess } from '../kvm/process.ts';
import { MIB } from '../loader/ram.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { STATUS_OK } from './status.ts';
import { PROFILE_OPTION, profileChoice } from './values.ts';

export const CAPS_OPTIONS = { ...PROFILE_OPTION, json: { help: 'print JSON' } } as const;

/** Text of `vkvm caps --help`. */
export const CAPS_HELP = `Usage: vkvm caps [options]

Lists every capability and what KVM_CHECK_EXTENSION answers for it on a new VM.

${describeOptions(CAPS_OPTIONS)}
`;

/** Room for a VM without vCPUs. */
const PROCESS_SIZE = 64 * MIB;

/** @returns the exit status */
export async function caps(host: CliHost, options: Options<typeof CAPS_OPTIONS>): Promise<number> {
  const process = createProcess({ size: PROCESS_SIZE, shared: false });
  using kvm = openKvm(
    await host.createSyscalls(process, host.stderr, profileChoice(options.profile)),
    process,
  );
  using vm = kvm.createVm(); // some capabilities are only told by a VM
  const values = CAPS.map(({ name, number }) => ({ name, number, value: vm.checkExtension(number) }));
  const kernel = identifyKernel(kvm);
  if (options.json) {
    host.stdout(
      `${JSON.stringify({ apiVersion: kvm.apiVersion(), abiRevision: kernel.revision, caps: values }, null, 2)}\n`,
    );
    return STATUS_OK;
  }
  const width = Math.max(...values.map(({ name }) => name.length));
  const lines = values.map(({ name, value }) => `${name.padEnd(width)}  ${value}`);
  host.stdout(`KVM API version ${kvm.apiVersion()}, ${kernel.name}\n${lines.join('\n')}\n`);
  return STATUS_OK;
}
