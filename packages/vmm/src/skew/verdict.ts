/** Whether a guest that is saved on one kernel loads on another: tried with an empty guest. */
import { PSCI_0_1 } from '@vkvm/uapi';
import { MIB } from '../loader/ram.ts';
import { createHardware } from '../machine/hardware.ts';
import type { HardwareConfig } from '../machine/hardware.ts';
import type { Misfit } from '../snapshot/fit.ts';
import { saveGic } from '../snapshot/gic.ts';
import { restoreHardware } from '../snapshot/restore.ts';
import { gicContext } from '../snapshot/save.ts';
import { saveVcpu } from '../snapshot/vcpu.ts';
import type { FreshKernel } from './kernel.ts';

/** The answer, and what it rests on. */
export interface MoveVerdict {
  readonly loads: 'yes' | 'with changes' | 'no';
  /** What the second kernel does not take and the guest can do without: `vkvm restore --drop-safe` leaves it out. */
  readonly changes: readonly Misfit[];
  /** What the guest needs. */
  readonly obstacles: readonly Misfit[];
  /** One of the kernels cannot make, save or restore such a machine at all: which, and why. */
  readonly impossible?: { readonly where: 'source' | 'target'; readonly message: string };
}

/** A machine as `vkvm run` makes it, but small. */
const CONFIG = { memory: 8 * MIB, smp: 2 } as const;

/** What a guest is started with; default: what the kernel gives it. */
export type GuestStart = Pick<HardwareConfig, 'psci' | 'services' | 'pmu'>;

/**
 * @param from - where the guest is saved
 * @param to - where it shall load
 * @param start - how it was started there
 */
export async function judgeMove(
  from: FreshKernel,
  to: FreshKernel,
  start: GuestStart = {},
): Promise<MoveVerdict> {
  let where: 'source' | 'target' = 'source';
  try {
    using source = await build(from, { ...CONFIG, ...start });
    where = 'target';
    const version = source.hardware.psci;
    using target = await build(to, {
      ...CONFIG,
      pmu: source.hardware.pmu,
      ...(version === PSCI_0_1 && { psci: version }),
    });
    const gic = saveGic(gicContext(source.hardware));
    const vcpus = source.hardware.vcpus.map(saveVcpu);
    const misfits = restoreHardware(target.hardware, vcpus, gic);
    const obstacles = misfits.filter(({ droppable }) => droppable === undefined);
    const changes = misfits.filter(({ droppable }) => droppable !== undefined);
    return {
      loads: obstacles.length > 0 ? 'no' : changes.length > 0 ? 'with changes' : 'yes',
      changes,
      obstacles,
    };
  } catch (error) {
    if (!(error instanceof Error) || !EXPECTED.has(error.name)) throw error;
    return { loads: 'no', changes: [], obstacles: [], impossible: { where, message: error.message } };
  }
}

/** What a kernel that lacks something brings about. */
const EXPECTED = new Set(['AbiMismatchError', 'ConfigError', 'KvmError']);

async function build(create: FreshKernel, config: HardwareConfig) {
  const resources = new DisposableStack();
  try {
    return {
      hardware: createHardware({ ...(await create()), config }, resources),
      [Symbol.dispose]: () => resources.dispose(),
    };
  } catch (error) {
    resources.dispose();
    throw error;
  }
}
