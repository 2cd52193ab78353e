/** Whether a saved guest fits a kernel: what it refuses, what of that can be left out, and how to say it. */
import { KVM_REG_ARM_PSCI_VERSION } from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import { registerName } from '../kvm/register-name.ts';
import { formatPsci } from '../machine/hardware.ts';
import { whyDroppable } from './droppable.ts';
import type { Registers } from './droppable.ts';
import type { GicRefusal } from './gic.ts';
import { hex } from './json.ts';
import type { Refusal } from './vcpu.ts';

/** Something that the kernel did not take. */
export interface Misfit {
  /** Name of the register, or of the state. */
  readonly name: string;
  /** Of a register of a vCPU. */
  readonly id?: RegId;
  /** As saved. */
  readonly value: bigint;
  /** What the kernel did: an errno, or `reads 0x…`. */
  readonly how: string;
  /** Why the guest can do without; absent: it cannot, or nobody knows. */
  readonly droppable?: string;
}

/** What of a vCPU's registers was refused. */
export const registerMisfits = (refusals: readonly Refusal[], registers: Registers): Misfit[] =>
  refusals.map(({ id, value, how, theirs }) => {
    const droppable = whyDroppable({ id, value, registers, ...(theirs !== undefined && { theirs }) });
    return {
      name: registerName(id),
      id,
      value,
      how: theirs === undefined || how !== 'other value' ? how : `reads ${hex(theirs)}`,
      ...(droppable !== undefined && { droppable }),
    };
  });

/** Without an ITS the revision of a GICv3 is a number that the guest may read, and nothing more. */
const GIC_REVISION = 'GICD_IIDR';

/** What of the GIC's registers was refused. */
export const gicMisfits = (refusals: readonly GicRefusal[]): Misfit[] =>
  refusals.map(({ name, value, errno }) => ({
    name,
    value,
    how: errno,
    ...(name === GIC_REVISION && {
      droppable: 'without an ITS the revision changes nothing but what this register reads',
    }),
  }));

const valueOf = ({ id, value }: Misfit): string =>
  id === KVM_REG_ARM_PSCI_VERSION ? formatPsci(Number(value)) : hex(value);

/** `PSCI_VERSION = 1.3 (EINVAL)` */
export const describeMisfit = (misfit: Misfit): string =>
  `${misfit.name} = ${valueOf(misfit)} (${misfit.how === 'ENOENT' ? 'there is no such register' : misfit.how})`;

/** Misfits that several vCPUs have count once. */
export const distinct = (misfits: readonly Misfit[]): Misfit[] =>
  Array.from(
    new Map(misfits.map((misfit) => [`${misfit.name} ${misfit.value} ${misfit.how}`, misfit])).values(),
  );
