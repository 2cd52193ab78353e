/** The GICv3 CPU interface as system registers of the guest: the rows of vgic/icc.ts under the vGIC lock. */
import { KVM_DEV_TYPE_ARM_VGIC_V3, SYSREGS } from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { lock, unlock } from '../state/lock.ts';
import { holds, isOneOf, releases } from '../state/profile.ts';
import { INTERRUPT_LINES, VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP, VGIC_LOCK } from '../state/vm-control.ts';
import { ICC_REGISTERS, ICC_SRE } from '../vgic/icc.ts';
import type { IccRegister } from '../vgic/icc.ts';
import { SYSREG_DONE, SYSREG_LEAVE } from './row.ts';
import type { SysregRow } from './row.ts';

const irqchipOf = (vcpu: Block): number => vcpu.words.get32(vcpu.get32(VM_BLOCK) + IRQCHIP);

/** Without a GIC, a guest reaches the CPU interface of its host, as its ID_AA64PFR0_EL1 says. */
const REACHED_WITHOUT_GIC = releases({ since: '3.18', until: '6.12' });
/** A fix of 6.11, which has gone into the other stable kernels, takes SGIs away from it. */
const SENDS_WITHOUT_GIC: readonly ProfileName[] = ['linux-5.10'];
const SGI_REGISTERS: readonly IccRegister['name'][] = ['ICC_SGI0R_EL1', 'ICC_SGI1R_EL1', 'ICC_ASGI1R_EL1'];

const visible =
  (name: IccRegister['name']) =>
  (vcpu: Block): boolean => {
    const irqchip = irqchipOf(vcpu);
    if (irqchip !== 0) return irqchip === KVM_DEV_TYPE_ARM_VGIC_V3;
    if (SGI_REGISTERS.includes(name)) return isOneOf(vcpu, SENDS_WITHOUT_GIC);
    return holds(vcpu, REACHED_WITHOUT_GIC);
  };

/** What is read of an interface that nobody delivers to. */
const withoutGic = (name: IccRegister['name']): number => (name === 'ICC_SRE_EL1' ? ICC_SRE : 0);

function reader(
  name: IccRegister['name'],
  read: NonNullable<IccRegister['read']>,
): NonNullable<SysregRow['read']> {
  return (vcpu, to, { host }) => {
    const { words, base } = vcpu;
    vcpu.set32(to + 4, 0);
    if (irqchipOf(vcpu) === 0) {
      vcpu.set32(to, withoutGic(name));
      return SYSREG_DONE;
    }
    const vm = vcpu.get32(VM_BLOCK);
    lock(words, vm + VGIC_LOCK, host);
    vcpu.set32(to, read({ words, vm, host }, base));
    unlock(words, vm + VGIC_LOCK, host);
    return SYSREG_DONE;
  };
}

function writer(write: NonNullable<IccRegister['write']>): NonNullable<SysregRow['write']> {
  return (vcpu, from, { host }) => {
    if (irqchipOf(vcpu) === 0) return SYSREG_DONE;
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
  visible: visible(name),
  traps: name === 'ICC_SRE_EL1' || SGI_REGISTERS.includes(name),
  ...(read === undefined ? {} : { readEl: 1, read: reader(name, read) }),
  ...(write === undefined ? {} : { writeEl: 1, write: writer(write) }),
}));
