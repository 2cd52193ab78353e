/** What lies in guest memory when the first instruction runs. */
import type { PsciVersion } from '@vkvm/uapi';
import { applyChosen, applyMemory, machineTree } from '../fdt/machine-tree.ts';
import type { ChosenOptions } from '../fdt/machine-tree.ts';
import { FdtError } from '../fdt/format.ts';
import { decodeFdt } from '../fdt/reader.ts';
import { encodeFdt } from '../fdt/writer.ts';
import { LoadError } from '../loader/error.ts';
import { DTB_MAX_SIZE, placeBeside } from '../loader/initrd.ts';
import { placeKernel } from '../loader/kernel.ts';
import { formatSize } from '../loader/ram.ts';
import type { LoadedKernel, RamRange, Segment } from '../loader/ram.ts';
import type { MachineConfig } from './config.ts';

/** Where everything goes; the device tree comes later, when the VM is known. */
export interface BootPlan {
  readonly kernel: LoadedKernel;
  /** Guest-physical address of the device tree. */
  readonly dtb: number;
  /** Guest-physical address of the ramdisk, if there is one. */
  readonly initrd?: number;
}

/** @throws {LoadError} kernel or initrd cannot be used, or do not fit */
export async function planBoot({ kernel: file, initrd }: MachineConfig, ram: RamRange): Promise<BootPlan> {
  const kernel = await placeKernel(file, ram);
  return { kernel, ...placeBeside(kernel.end, initrd?.length ?? 0, ram) };
}

/** What the tree has to say about the VM. */
export interface VmFacts {
  readonly ram: RamRange;
  readonly affinities: readonly number[];
  readonly psci: PsciVersion;
  readonly gicVersion: 2 | 3;
  readonly pmu: boolean;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => void;
}

/**
 * The device tree for a plan: ours, or the user's with memory, command line, ramdisk and seeds filled in.
 *
 * @throws {LoadError} the user's tree is broken, or too large
 */
export function createBootTree(
  config: MachineConfig,
  { initrd }: Pick<BootPlan, 'initrd'>,
  vm: VmFacts,
): Uint8Array {
  const seed = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    vm.random(bytes);
    return bytes;
  };
  const chosen: ChosenOptions = {
    bootargs: config.bootargs ?? '',
    ...(initrd !== undefined && { initrd: { start: initrd, end: initrd + (config.initrd?.length ?? 0) } }),
    rngSeed: seed(64),
    kaslrSeed: seed(8),
  };
  const blob = config.dtb
    ? completeTree(config.dtb, chosen, vm.ram)
    : encodeFdt(
        machineTree({
          ...vm,
          conduit: config.psciConduit ?? 'hvc',
          power: config.power ?? 'psci',
          chosen,
        }),
      );
  if (blob.length > DTB_MAX_SIZE) {
    throw new LoadError(`the device tree takes ${formatSize(blob.length)}; Linux maps at most 2 MiB of it`, {
      subject: 'dtb',
    });
  }
  return blob;
}

function completeTree(bytes: Uint8Array, chosen: ChosenOptions, ram: RamRange): Uint8Array {
  try {
    const { root, reservations, bootCpu } = decodeFdt(bytes);
    applyMemory(root, ram);
    applyChosen(root, chosen);
    return encodeFdt(root, { reservations, bootCpu, names: 'any' });
  } catch (error) {
    if (!(error instanceof FdtError)) throw error;
    throw new LoadError(
      `the device tree is broken: ${error.message}; give a blob as dtc writes it, or none`,
      { subject: 'dtb', cause: error },
    );
  }
}

/** The pieces that guest memory is filled from. */
export function bootSegments(config: MachineConfig, plan: BootPlan, dtb: Uint8Array): Segment[] {
  const segments = [...plan.kernel.segments, { address: plan.dtb, bytes: dtb, clear: 0 }];
  if (plan.initrd !== undefined && config.initrd) {
    segments.push({ address: plan.initrd, bytes: config.initrd, clear: 0 });
  }
  return segments;
}
