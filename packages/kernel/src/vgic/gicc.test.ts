import {
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CPU_REGS,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_TYPE_ARM_VGIC_V2,
  KVM_VGIC_V2_ADDR_TYPE_CPU,
  KVM_VGIC_V2_ADDR_TYPE_DIST,
  E2BIG,
  EEXIST,
  EINVAL,
  ENODEV,
  ENXIO,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { USER, bareVm } from '../../test/bare-vm.ts';
import type { Block } from '../state/block.ts';
import { INTERRUPT_LINES, SCRATCH } from '../state/vcpu-state.ts';
import { createVgic } from './create.ts';
import { mapResourcesV2, setDeviceAddress, vgicV2GetAttr, vgicV2SetAttr } from './device-v2.ts';
import { mmio, setPpi, setSpi } from './vgic.ts';

const GICD = 0x0800_0000;
const GICC = 0x0801_0000;
const [CTLR, PMR, BPR, IAR, EOIR, RPR, HPPIR] = [0, 4, 8, 0xc, 0x10, 0x14, 0x18];
const [ABPR, AIAR, APR, DIR] = [0x1c, 0x20, 0xd0, 0x1000];
const IRQ = 1;
const FIQ = 2;
const NOTHING = 1023;

/** A VM with a GICv2, driven as a guest and as user space do. */
function gicV2(ids: readonly number[] = [0]) {
  const bare = bareVm(ids);
  const { vm, vcpus, host, words } = bare;
  expect(createVgic(vm, KVM_DEV_TYPE_ARM_VGIC_V2, host)).toBe(0);
  const gic = {
    ...bare,
    load(vcpu: Block, gpa: number, bytes = 4): number {
      expect(mmio(vcpu, gpa, { bytes, write: false, data: vcpu.base + SCRATCH }, host)).toBe(true);
      return vcpu.get32(SCRATCH);
    },
    store(vcpu: Block, gpa: number, value: number, bytes = 4): void {
      vcpu.set64(SCRATCH, BigInt(value >>> 0));
      expect(mmio(vcpu, gpa, { bytes, write: true, data: vcpu.base + SCRATCH }, host)).toBe(true);
    },
    lines: (vcpu: Block) => vcpu.get32(INTERRUPT_LINES),
    setAttr(group: number, attr: bigint, value: bigint): number {
      words.set64(USER, value);
      return vgicV2SetAttr(vm, group, attr, USER, host);
    },
    getAttr(group: number, attr: bigint): bigint {
      words.set64(USER, 0n);
      const error = vgicV2GetAttr(vm, group, attr, USER, host);
      return error === 0 ? words.get64(USER) : BigInt(error);
    },
  };
  const enable = () => {
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, 64n);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, BigInt(KVM_VGIC_V2_ADDR_TYPE_DIST), BigInt(GICD));
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, BigInt(KVM_VGIC_V2_ADDR_TYPE_CPU), BigInt(GICC));
    expect(mapResourcesV2(vm, host)).toBe(0);
    for (const vcpu of vcpus) {
      gic.store(vcpu, GICC + PMR, 0xf0);
      gic.store(vcpu, GICC + CTLR, 1);
      gic.store(vcpu, GICD + 0x100, 0xffff_ffff);
    }
    gic.store(vcpus[0]!, GICD, 1);
    gic.store(vcpus[0]!, GICD + 0x104, 0xffff_ffff);
  };
  return { ...gic, enable, cpu: (n: number) => vcpus[n]! };
}

function enabled(ids: readonly number[] = [0]) {
  const gic = gicV2(ids);
  gic.enable();
  return gic;
}

describe('a guest with a GICv2', () => {
  test('takes an edge, and ends it', () => {
    const gic = enabled();
    const cpu = gic.cpu(0);
    expect(gic.load(cpu, GICC + IAR)).toBe(NOTHING);
    setSpi(gic.vm, 40, true, gic.host);
    expect(gic.lines(cpu)).toBe(IRQ);
    expect(gic.load(cpu, GICC + HPPIR)).toBe(40);
    expect(gic.load(cpu, GICC + IAR)).toBe(40);
    expect(gic.lines(cpu)).toBe(0);
    expect(gic.load(cpu, GICC + RPR)).toBe(0);
    gic.store(cpu, GICC + EOIR, 40);
    expect(gic.load(cpu, GICC + RPR)).toBe(0xff);
    expect(gic.load(cpu, GICC + IAR)).toBe(NOTHING);
  });

  test('takes a level as long as it is high', () => {
    const gic = enabled();
    const cpu = gic.cpu(0);
    setPpi(cpu, 27, true, gic.host);
    expect(gic.load(cpu, GICC + IAR)).toBe(27);
    gic.store(cpu, GICC + EOIR, 27);
    expect(gic.lines(cpu)).toBe(IRQ);
    setPpi(cpu, 27, false, gic.host);
    expect(gic.lines(cpu)).toBe(0);
  });

  test('sends SGIs, which are pending once for each sender', () => {
    const gic = enabled([0, 1, 2]);
    const [a, b, c] = [gic.cpu(0), gic.cpu(1), gic.cpu(2)];
    gic.store(b, GICD + 0xf00, (1 << 16) | 5);
    gic.store(c, GICD + 0xf00, (1 << 24) | 5);
    expect([a, b, c].map(gic.lines)).toEqual([IRQ, IRQ, 0]);
    expect(gic.load(a, GICD + 0xf20 + 5, 1)).toBe(0b110);
    expect(gic.load(a, GICC + HPPIR)).toBe((1 << 10) | 5);
    expect(gic.load(a, GICC + IAR)).toBe((1 << 10) | 5);
    gic.store(a, GICC + EOIR, (1 << 10) | 5);
    expect(gic.load(a, GICC + IAR)).toBe((2 << 10) | 5);
    gic.store(a, GICC + EOIR, (2 << 10) | 5);
    expect(gic.load(a, GICC + IAR)).toBe(NOTHING);
    gic.store(c, GICD + 0xf00, (2 << 24) | 7);
    expect(gic.load(c, GICC + IAR)).toBe((2 << 10) | 7);
  });

  test('sets and clears sources of an SGI by the byte', () => {
    const gic = enabled();
    const cpu = gic.cpu(0);
    gic.store(cpu, GICD + 0xf20 + 3, 0b101, 1);
    gic.store(cpu, GICD + 0xf20 + 2, 0b001, 1);
    expect(gic.load(cpu, GICD + 0xf20)).toBe(0x0501_0000);
    gic.store(cpu, GICD + 0xf10 + 3, 0b100, 1);
    expect(gic.load(cpu, GICD + 0xf20)).toBe(0x0101_0000);
    expect(gic.load(cpu, GICD + 0x200)).toBe(0b1100);
    gic.store(cpu, GICD + 0x280, 0b1100);
    expect(gic.load(cpu, GICD + 0x200)).toBe(0b1100);
  });

  test('targets SPIs at the first of some vCPUs', () => {
    const gic = enabled([0, 1]);
    const [a, b] = [gic.cpu(0), gic.cpu(1)];
    expect(gic.load(a, GICD + 0x800)).toBe(0x0101_0101);
    expect(gic.load(b, GICD + 0x800)).toBe(0x0202_0202);
    gic.store(a, GICD + 0x820 + 8, 0xfe, 1);
    expect(gic.load(a, GICD + 0x820 + 8, 1)).toBe(2);
    setSpi(gic.vm, 40, true, gic.host);
    expect([a, b].map(gic.lines)).toEqual([0, IRQ]);
    gic.store(a, GICD + 0x820 + 8, 3, 1);
    expect([a, b].map(gic.lines)).toEqual([IRQ, 0]);
  });

  test('has Group 0 as FIQ if it wants, and Group 1 by its own registers', () => {
    const gic = enabled();
    const cpu = gic.cpu(0);
    gic.store(cpu, GICD + 0x84, 1 << 9);
    setSpi(gic.vm, 41, true, gic.host);
    expect(gic.lines(cpu)).toBe(0);
    gic.store(cpu, GICC + CTLR, 0b1011);
    expect(gic.lines(cpu)).toBe(IRQ);
    expect(gic.load(cpu, GICC + IAR)).toBe(1022);
    expect(gic.load(cpu, GICC + HPPIR)).toBe(1022);
    expect(gic.load(cpu, GICC + AIAR)).toBe(41);
    gic.store(cpu, GICC + 0x24, 41);
    setSpi(gic.vm, 40, true, gic.host);
    expect(gic.lines(cpu)).toBe(FIQ);
    gic.store(cpu, GICC + CTLR, 0b0111);
    setSpi(gic.vm, 41, true, gic.host);
    expect([gic.load(cpu, GICC + IAR), gic.load(cpu, GICC + IAR)]).toEqual([40, NOTHING]);
    gic.store(cpu, GICC + EOIR, 40);
    expect(gic.load(cpu, GICC + IAR)).toBe(41);
  });

  test('drops the priority and deactivates apart', () => {
    const gic = enabled();
    const cpu = gic.cpu(0);
    gic.store(cpu, GICC + CTLR, 0x201);
    setSpi(gic.vm, 40, true, gic.host);
    expect(gic.load(cpu, GICC + IAR)).toBe(40);
    gic.store(cpu, GICC + EOIR, 40);
    expect(gic.load(cpu, GICD + 0x304)).toBe(1 << 8);
    gic.store(cpu, GICC + DIR, 40);
    expect(gic.load(cpu, GICD + 0x304)).toBe(0);
  });

  test('reads who made it, and how large it is', () => {
    const gic = enabled([0, 1, 2]);
    const cpu = gic.cpu(0);
    expect(gic.load(cpu, GICD + 4)).toBe((2 << 5) | 1);
    expect(gic.load(cpu, GICD + 8)).toBe(0x4b00_343b);
    expect(gic.load(cpu, GICC + 0xfc)).toBe(0x04b2_043b);
    expect([BPR, ABPR].map((offset) => gic.load(cpu, GICC + offset))).toEqual([2, 3]);
  });
});

describe('user space with a GICv2', () => {
  const cpuRegister = (offset: number, id = 0): bigint => (BigInt(id) << 32n) | BigInt(offset);

  test.each([
    ['GICC_CTLR', CTLR, 0xffn, 0x1fn],
    ['GICC_PMR', PMR, 0xffn, 0x1fn],
    ['GICC_BPR', BPR, 0xffn, 7n],
    ['GICC_ABPR', ABPR, 0xffn, 7n],
    ['GICC_APR', APR, 0xffn, 0xffn],
  ])('saves and restores %s', (_, offset, written, read) => {
    const gic = enabled();
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CPU_REGS, cpuRegister(offset), written)).toBe(0);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_CPU_REGS, cpuRegister(offset))).toBe(read);
  });

  test('names a vCPU by its id', () => {
    const gic = enabled([0, 3]);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, cpuRegister(0x800, 3))).toBe(0x0808_0808n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, cpuRegister(0x800, 1))).toBe(BigInt(-EINVAL));
  });

  test('makes SGIs pending, and no more so', () => {
    const gic = enabled([0, 1]);
    const attr = (offset: number) => cpuRegister(offset, 1);
    const get = (offset: number) => gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, attr(offset));
    const set = (offset: number, value: bigint) =>
      gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, attr(offset), value);
    expect(set(0x200, 0b1010n)).toBe(0);
    expect(set(0x200, 0b0100n)).toBe(0);
    expect([get(0x200), get(0x280), get(0xf20)]).toEqual([0b1110n, 0b1110n, 0x0202_0200n]);
    expect(gic.load(gic.cpu(1), GICC + IAR)).toBe((1 << 10) | 1);
    expect(set(0x280, 0b1000n)).toBe(0);
    expect([get(0x200), get(0xf20)]).toEqual([0b0100n, 0x0002_0000n]);
    expect(set(0xf00, (1n << 16n) | 9n)).toBe(0);
    expect(gic.load(gic.cpu(0), GICC + IAR)).toBe((1 << 10) | 9);
  });

  test('sets groups once it has chosen a revision', () => {
    const gic = enabled();
    const set = (offset: number, value: bigint) =>
      gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, cpuRegister(offset), value);
    const groups = () => gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, cpuRegister(0x84));
    expect(set(0x84, 0xffn)).toBe(0);
    expect(groups()).toBe(0n);
    expect(set(8, 0x4b00_143bn)).toBe(-EINVAL);
    expect(set(8, 0x4b00_243bn)).toBe(0);
    expect(set(0x84, 0xffn)).toBe(0);
    expect(groups()).toBe(0xffn);
  });

  test('initialises it by looking at a register', () => {
    const gic = gicV2();
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 4n)).toBe(BigInt((224 + 32) / 32 - 1));
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, 64n)).toBeLessThan(0);
  });

  test('places the frames, each of them once, and apart', () => {
    const gic = gicV2();
    const place = (type: number, address: bigint) =>
      gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, BigInt(type), address);
    expect(mapResourcesV2(gic.vm, gic.host)).toBe(-ENXIO);
    expect(place(KVM_VGIC_V2_ADDR_TYPE_DIST, 0x800n)).toBe(-EINVAL);
    expect(place(KVM_VGIC_V2_ADDR_TYPE_DIST, 1n << 40n)).toBe(-E2BIG);
    expect(place(7, 0x1000n)).toBe(-ENXIO);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, 0n)).toBe(0xffff_ffff_ffff_ffffn);
    expect(place(KVM_VGIC_V2_ADDR_TYPE_DIST, 0x1000n)).toBe(0);
    expect(place(KVM_VGIC_V2_ADDR_TYPE_DIST, 0x1000n)).toBe(-EEXIST);
    expect(place(KVM_VGIC_V2_ADDR_TYPE_CPU, 0x0n)).toBe(0);
    expect(mapResourcesV2(gic.vm, gic.host)).toBe(-EINVAL);
  });

  test('places them by the older request, too', () => {
    const gic = gicV2();
    expect(setDeviceAddress(gic.vm, 1n << 16n, 0x1000n)).toBe(-ENODEV);
    expect(setDeviceAddress(gic.vm, 2n, 0x1000n)).toBe(-ENODEV);
    expect(setDeviceAddress(gic.vm, 1n, 0x1000n)).toBe(0);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, 1n)).toBe(0x1000n);
    expect(setDeviceAddress(bareVm().vm, 0n, 0x1000n)).toBe(-ENODEV);
  });

  test('gets no more than eight vCPUs', () => {
    const { vm, host } = bareVm([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(createVgic(vm, KVM_DEV_TYPE_ARM_VGIC_V2, host)).toBe(-E2BIG);
  });
});
