/** The GICv3 CPU interface as system registers of the guest: the rows of vgic/icc.ts under the vGIC lock. */
import { KVM_DEV_TYPE_ARM_VGIC_V3, SYSREGS } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { lock, unlock } from '../state/lock.ts';
import { INTERRUPT_LINES, VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP, VGIC_LOCK } from '../state/vm-control.ts';
import { ICC_REGISTERS } from '../vgic/icc.ts';
import type { IccRegister } from '../vgic/icc.ts';
import { SYSREG_DONE, SYSREG_LEAVE } from './row.ts';
import type { SysregRow } from './row.ts';

const visible = (vcpu: Block): boolean =>
  vcpu.words.get32(vcpu.get32(VM_BLOCK) + IRQCHIP) === KVM_DEV_TYPE_ARM_VGIC_V3;

function reader(read: NonNullable<IccRegister['read']>): NonNullable<SysregRow['read']> {
  return (vcpu, to, { host }) => {
    const { words, base } = vcpu;
    const vm = vcpu.get32(VM_BLOCK);
    lock(words, vm + VGIC_LOCK, host);
    vcpu.set32(to, read({ words, vm, host }, base));
    unlock(words, vm + VGIC_LOCK, host);
    vcpu.set32(to + 4, 0);
    return SYSREG_DONE;
  };
}

function writer(write: NonNullable<IccRegister['write']>): NonNullable<SysregRow['write']> {
  return (vcpu, from, { host }) => {
    const { words, base } = vcpu;
    const vm = vcpu.get32(VM_BLOCK);
    lock(words, vm + VGIC_LOCK, host);
    write({ words, vm, host }, base, vcpu.get32(from), vcpu.get32(from + 4));
    unlock(words, vm + VGIC_LOCK, host);
    // What the write made deliverable is taken before the next instruction.
    return vcpu.get32(INTERRUPT_LINES) === 0 ? SYSREG_DONE : SYSREG_LEAVE;
  };
}

export const gicSysregs: readonly SysregRow[] = ICC_REGISTERS.filter(
  ({ read, write }) => read !== undefined || write !== undefined,
).map(({ name, read, write }) => ({
  name,
  key: SYSREGS[name],
  visible,
  ...(read === undefined ? {} : { readEl: 1, read: reader(read) }),
  ...(write === undefined ? {} : { writeEl: 1, write: writer(write) }),
}));
