/** A GICv3 of a bare VM, driven as a guest and as user space do. */
import type { SYSREGS } from '@vkvm/uapi';
import {
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
} from '@vkvm/uapi';

import type { Block } from '../src/state/block.ts';
import { INTERRUPT_LINES, SCRATCH, X } from '../src/state/vcpu-state.ts';
import { gicSysregs } from '../src/sysreg/gic.ts';
import type { SysregEnv, SysregOutcome } from '../src/sysreg/row.ts';
import { createVgic } from '../src/vgic/create.ts';
import { vgicGetAttr, vgicSetAttr } from '../src/vgic/device.ts';
import { mmio } from '../src/vgic/vgic.ts';
import { USER, bareVm } from './bare-vm.ts';
import type { BareVm } from './bare-vm.ts';

export const GICD = 0x0800_0000;
export const GICR = 0x080a_0000;
/** Second frame of the redistributor of vCPU n. */
export const sgiFrame = (n: number): number => GICR + n * 0x2_0000 + 0x1_0000;

export interface GuestGic extends BareVm {
  /** MRS at EL1. */
  mrs(vcpu: Block, name: keyof typeof SYSREGS): number;
  /** MSR at EL1. @returns what the row answered */
  msr(vcpu: Block, name: keyof typeof SYSREGS, value: number, high?: number): SysregOutcome;
  load(vcpu: Block, gpa: number, bytes?: number): bigint;
  store(vcpu: Block, gpa: number, value: number, bytes?: number): void;
  lines(vcpu: Block): number;
  setAttr(group: number, attr: bigint, value: bigint): number;
  /** @returns the value, or -errno */
  getAttr(group: number, attr: bigint, value?: bigint): bigint;
}

/** Turns everything on, as Linux does: groups, all priorities, SPIs and the private interrupts of each vCPU. */
export function enableAll(gic: GuestGic): void {
  for (const [index, vcpu] of gic.vcpus.entries()) {
    gic.msr(vcpu, 'ICC_PMR_EL1', 0xf0);
    gic.msr(vcpu, 'ICC_IGRPEN1_EL1', 1);
    gic.store(vcpu, sgiFrame(index) + 0x100, 0xffff_ffff);
  }
  const [first] = gic.vcpus;
  gic.store(first!, GICD, 0x12);
  gic.store(first!, GICD + 0x104, 0xffff_ffff);
}

/** @param interrupts - private ones included; 0 = do not create a GIC */
export function guestGic(ids: readonly number[] = [0], interrupts = 64): GuestGic {
  const bare = bareVm(ids);
  const { vm, host, words } = bare;
  const env: SysregEnv = { host, engine: undefined as never };
  const row = (name: string) => {
    const found = gicSysregs.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no row for ${name}`);
    return found;
  };
  const gic: GuestGic = Object.assign(bare, {
    mrs(vcpu: Block, name: string) {
      row(name).read!(vcpu, X, env);
      return vcpu.get32(X);
    },
    msr(vcpu: Block, name: string, value: number, high = 0) {
      vcpu.set32(X, value);
      vcpu.set32(X + 4, high);
      return row(name).write!(vcpu, X, env);
    },
    load(vcpu: Block, gpa: number, bytes = 4) {
      vcpu.set64(SCRATCH, 0xdead_beef_dead_beefn);
      if (!mmio(vcpu, gpa, { bytes, write: false, data: vcpu.base + SCRATCH }, host)) return -1n;
      return vcpu.get64(SCRATCH);
    },
    store(vcpu: Block, gpa: number, value: number, bytes = 4) {
      vcpu.set64(SCRATCH, BigInt(value));
      mmio(vcpu, gpa, { bytes, write: true, data: vcpu.base + SCRATCH }, host);
    },
    lines: (vcpu: Block) => vcpu.get32(INTERRUPT_LINES),
    setAttr(group: number, attr: bigint, value: bigint) {
      words.set64(USER, value);
      return vgicSetAttr(vm, group, attr, USER, host);
    },
    getAttr(group: number, attr: bigint, value = 0n) {
      words.set64(USER, value);
      const error = vgicGetAttr(vm, group, attr, USER, host);
      return error === 0 ? words.get64(USER) : BigInt(error);
    },
  });
  if (interrupts === 0) return gic;
  createVgic(vm, KVM_DEV_TYPE_ARM_VGIC_V3, host);
  gic.setAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, BigInt(interrupts));
  gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, BigInt(KVM_VGIC_V3_ADDR_TYPE_DIST), BigInt(GICD));
  gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, BigInt(KVM_VGIC_V3_ADDR_TYPE_REDIST), BigInt(GICR));
  gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT), 0n);
  return gic;
}
