/** Kernel and VMM put together: a virtual machine in one call. */
import { createKernel } from '@vkvm/kernel';
import { createMachine, createProcess, processSize } from '@vkvm/vmm';
import type { Machine, MachineConfig, MachineHost } from '@vkvm/vmm';

export type { Machine, MachineConfig, MachineHost, MachineStop } from '@vkvm/vmm';

/**
 * Builds a machine on a kernel of its own, ready to run.
 *
 * @example
 * ```ts
 * using machine = await createVirtualMachine({
 *   kernel: await readFile('Image'),
 *   memory: 512 * 1024 * 1024,
 *   smp: 1,
 *   bootargs: 'console=ttyAMA0',
 *   output: (bytes) => process.stdout.write(bytes),
 * });
 * const { kind } = await machine.run(); // 'shutdown' when the guest has powered off
 * ```
 *
 * @param host - clock, chance and event loop; default: what every JavaScript platform has
 * @throws {ConfigError} memory, vCPUs or PSCI version out of bounds
 * @throws {LoadError} kernel, initrd or device tree cannot be used
 * @throws {ProcessError} this host does not give that much memory
 */
export async function createVirtualMachine(config: MachineConfig, host?: MachineHost): Promise<Machine> {
  const process = createProcess({ size: processSize(config), shared: false });
  const syscalls = createKernel().attach(process);
  return createMachine({ syscalls, process, config, ...(host && { host }) });
}
