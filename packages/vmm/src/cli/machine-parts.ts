/** What a machine is built from: options, files, and the kernel's side. */
import { createProcess } from '../kvm/process.ts';
import { alignUp, MIB } from '../loader/ram.ts';
import { checkConfig, processSize } from '../machine/config.ts';
import type { MachineConfig } from '../machine/config.ts';
import type { MachineParts } from '../machine/machine.ts';
import type { Options } from './args.ts';
import type { CliHost, KernelChoice } from './host.ts';
import { UsageError } from './status.ts';
import { parseCount, parsePsci, parsePsciOwner, parseServices, parseSize } from './values.ts';

/** What a machine is made of. */
export const MACHINE_OPTIONS = {
  kernel: { value: 'FILE', help: 'arm64 Image (plain or gzip) or AArch64 ELF program' },
  initrd: { value: 'FILE', help: 'initial ramdisk' },
  append: { value: 'TEXT', help: 'kernel command line' },
  dtb: { value: 'FILE', help: 'device tree to use instead of our own; memory and chosen are filled in' },
  memory: { value: 'SIZE', help: 'RAM: 512M, 1G; a bare number counts MiB (default 512M)' },
  smp: { value: 'N', help: 'number of vCPUs (default 1)' },
  psci: {
    value: 'VERSION',
    help: 'PSCI version: 0.1, 0.2, 1.0 to 1.3 (default: what the kernel gives a VM), or none',
  },
  'psci-owner': {
    value: 'WHO',
    help: 'who serves PSCI: kernel (default), exit (the kernel only CPUs), user (we do)',
  },
  services: {
    value: 'LIST',
    help: 'services beside PSCI that the guest may have, so that it can move to kernels without: none, or of trng,stolen-time,kvm,ptp,implementations (default all)',
  },
  'no-pmu': { help: 'no performance counters, which kernels before Linux 6.2 have less of' },
  'secure-runtime': { value: 'FILE', help: 'AArch64 code that serves SiP calls, apart from the guest' },
} as const;

const DEFAULT_MEMORY = '512M';

type MachineOptions = Options<typeof MACHINE_OPTIONS>;

/** What is read from files. */
type MachineFiles = Pick<MachineConfig, 'kernel' | 'initrd' | 'dtb' | 'secureRuntime'>;

/** Options with a kernel, which need not be a file. */
type BootOptions = Omit<MachineOptions, 'kernel'> & { readonly kernel: string | Uint8Array };

/** What a machine is built from by its options. Files are read while the kernel's side comes into being. */
export async function machineParts(
  host: CliHost,
  options: BootOptions,
  choice: KernelChoice = {},
): Promise<MachineParts> {
  const shape = machineShape(options);
  const runtime = options['secure-runtime'] !== undefined && { secureRuntime: {} };
  const [files, boundary] = await Promise.all([
    readFiles(host, options),
    openBoundary(host, processSize({ ...shape, ...runtime }), choice),
  ]);
  const output: MachineConfig['output'] = (bytes) => host.stdout(bytes.slice());
  return { ...boundary, config: { ...shape, ...files, output }, host: host.machineHost };
}

/** Makes an address space, and the kernel's side of it. @param size - bytes */
async function openBoundary(
  host: CliHost,
  size: number,
  choice: KernelChoice,
): Promise<Pick<MachineParts, 'process' | 'syscalls'>> {
  const process = createProcess({ size, shared: false });
  return { process, syscalls: await host.createSyscalls(process, host.stderr, choice) };
}

/** @throws {UsageError} an option's value is wrong, or does not go with another @throws {ConfigError} there is no such machine */
function machineShape(
  options: Omit<MachineOptions, 'kernel'>,
): Omit<MachineConfig, keyof MachineFiles | 'output'> {
  const memory = alignUp(parseSize('--memory', options.memory ?? DEFAULT_MEMORY), 2 * MIB);
  const smp = parseCount('--smp', options.smp ?? '1');
  if (options.psci === 'none' && options['psci-owner'] !== undefined) {
    throw new UsageError(
      'with --psci none nobody serves PSCI; leave --psci-owner away, or give --psci a version',
    );
  }
  checkConfig({ memory, smp, ...(options.psci === 'none' && { power: 'syscon' }) });
  return {
    bootargs: options.append ?? '',
    memory,
    smp,
    ...(options.psci === 'none' && { power: 'syscon' }),
    ...(options.psci !== undefined && options.psci !== 'none' && { psci: parsePsci('--psci', options.psci) }),
    ...(options['psci-owner'] !== undefined && {
      psciOwner: parsePsciOwner('--psci-owner', options['psci-owner']),
    }),
    ...(options.services !== undefined && { services: parseServices('--services', options.services) }),
    ...(options['no-pmu'] && { pmu: false }),
  };
}

async function readFiles(host: CliHost, options: BootOptions): Promise<MachineFiles> {
  const read = async (path: string | undefined): Promise<Uint8Array | undefined> =>
    path === undefined ? undefined : host.readFile(path);
  const [kernel, initrd, dtb, secureRuntime] = await Promise.all([
    typeof options.kernel === 'string' ? host.readFile(options.kernel) : options.kernel,
    read(options.initrd),
    read(options.dtb),
    read(options['secure-runtime']),
  ]);
  if (initrd?.length === 0) {
    throw new UsageError(
      `--initrd ${options.initrd}: the file is empty; give a ramdisk, or leave --initrd away`,
    );
  }
  return {
    kernel,
    ...(initrd && { initrd }),
    ...(dtb && { dtb }),
    ...(secureRuntime && { secureRuntime: { code: secureRuntime } }),
  };
}
