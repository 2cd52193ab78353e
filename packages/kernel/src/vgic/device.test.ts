import {
  E2BIG,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENXIO,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
  KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
  KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
  SYSREGS,
  releaseNumber,
} from '@vkvm/uapi';
import type { LinuxVersion } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { GICD, GICR, guestGic, sgiFrame } from '../../test/guest-gic.ts';
import type { GuestGic } from '../../test/guest-gic.ts';
import { PROFILE } from '../state/arena.ts';
import { VCPU_MUTEX } from '../state/control.ts';
import { VM_HAS_RUN } from '../state/vm-control.ts';
import { createVgic } from './create.ts';
import { mapResources, vgicGetAttr, vgicHasAttr, vgicSetAttr } from './device.ts';
import { vgicV2GetAttr, vgicV2SetAttr } from './device-v2.ts';
import { setPpi, setSpi } from './vgic.ts';

const DIST = BigInt(KVM_VGIC_V3_ADDR_TYPE_DIST);
const REDIST = BigInt(KVM_VGIC_V3_ADDR_TYPE_REDIST);
const REGION = BigInt(KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION);
const INIT = BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT);
const MAX = 0xffff_ffff_ffff_ffffn;

/** A GIC that was created and nothing more. */
function created(ids: readonly number[] = [0]): GuestGic {
  const gic = guestGic(ids, 0);
  createVgic(gic.vm, KVM_DEV_TYPE_ARM_VGIC_V3, gic.host);
  return gic;
}

const region = (index: number, base: number, count: number): bigint =>
  (BigInt(count) << 52n) | BigInt(base) | BigInt(index);

describe('creation', () => {
  test('happens once, and not after a vCPU has run or while one is in use', () => {
    const gic = created();
    expect(createVgic(gic.vm, KVM_DEV_TYPE_ARM_VGIC_V3, gic.host)).toBe(-EEXIST);
    const late = guestGic([0], 0);
    late.vm.set32(VM_HAS_RUN, 1);
    expect(createVgic(late.vm, KVM_DEV_TYPE_ARM_VGIC_V3, late.host)).toBe(-EBUSY);
    const busy = guestGic([0, 1], 0);
    busy.vcpus[1]!.set32(VCPU_MUTEX, 1);
    expect(createVgic(busy.vm, KVM_DEV_TYPE_ARM_VGIC_V3, busy.host)).toBe(-EBUSY);
    expect(busy.vcpus[0]!.get32(VCPU_MUTEX)).toBe(0);
  });
});

describe('addresses', () => {
  test('of the distributor', () => {
    const gic = created();
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST)).toBe(MAX);
    const set = (value: bigint): number => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST, value);
    expect(set(0x800_1000n)).toBe(-EINVAL);
    expect(set(1n << 40n)).toBe(-E2BIG);
    expect(set(MAX & ~0xffffn)).toBe(-EINVAL);
    expect(set(BigInt(GICD))).toBe(0);
    expect(set(BigInt(GICD))).toBe(-EEXIST);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST)).toBe(BigInt(GICD));
  });

  test('are looked at from their start only before 5.16, and for being set last', () => {
    const gic = created();
    gic.words.set32(PROFILE, releaseNumber('5.10'));
    const set = (attr: bigint, value: bigint): number => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, attr, value);
    expect(set(DIST, MAX & ~0xffffn)).toBe(-E2BIG);
    expect(set(DIST, BigInt(GICD))).toBe(0);
    expect(set(DIST, (1n << 40n) + 1n)).toBe(-E2BIG);
    expect(set(DIST, 0x800_1000n)).toBe(-EINVAL);
    expect(set(DIST, BigInt(GICD))).toBe(-EEXIST);
    // Two frames of which only the first is below the IPA size.
    expect(set(REDIST, (1n << 40n) - 0x1_0000n)).toBe(0);
    const later = created();
    expect(later.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REDIST, (1n << 40n) - 0x1_0000n)).toBe(-E2BIG);
  });

  test.each([
    ['5.10', -EINVAL, -EINVAL],
    ['6.1', -EEXIST, 0],
  ] as const)('of a redistributor region after the one for all: %s', (version, twice, next) => {
    const gic = created();
    gic.words.set32(PROFILE, releaseNumber(version));
    const set = (attr: bigint, value: bigint): number => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, attr, value);
    expect(set(REDIST, BigInt(GICR))).toBe(0);
    expect(set(REDIST, BigInt(GICR))).toBe(twice);
    expect(set(REGION, region(0, 0x90a_0000, 1))).toBe(-EINVAL);
    expect(set(REGION, region(1, 0x90a_0000, 1))).toBe(next);
  });

  test('of a GICv2, or at an unreadable place', () => {
    const gic = created();
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, 0n, 0n)).toBe(-ENXIO);
    expect(vgicSetAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_ADDR, 0n, 8, gic.host)).toBe(-EFAULT);
    expect(vgicHasAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_ADDR, 0n, gic.host)).toBe(-ENXIO);
    expect(vgicHasAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, gic.host)).toBe(0);
  });

  test('of redistributor regions, in order and apart; what no vCPU comes to lie in is not looked at', () => {
    const gic = created([0, 1, 2]);
    const set = (value: bigint): number => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, value);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST, BigInt(GICD));
    expect(set(region(0, GICR, 0))).toBe(-EINVAL);
    expect(set(region(1, GICR, 1))).toBe(-EINVAL);
    expect(set(region(0, GICR + 0x1000, 2))).toBe(-EINVAL);
    expect(set(region(0, GICR, 2))).toBe(0);
    expect(set(region(0, GICR, 2))).toBe(-EINVAL);
    expect(set(region(1, GICR + 0x1_0000, 1))).toBe(-EINVAL);
    expect(set(region(2, 0x90a_0000, 1))).toBe(-EINVAL);
    expect(set(region(1, 0x90a_0000, 1))).toBe(0);
    expect(set(region(2, GICD, 1))).toBe(0);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, 1n)).toBe(region(1, 0x90a_0000, 1));
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, 3n)).toBe(BigInt(-ENOENT));
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REDIST, BigInt(GICR))).toBe(-EINVAL);
    // Of the index Linux takes 8 bits.
    expect(set(region(0x103, 0x92a_0000, 1))).toBe(0);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, 0x103n)).toBe(region(3, 0x92a_0000, 1));
  });

  test.each([
    ['5.10', -EFAULT, -EFAULT],
    ['6.0', -ENXIO, -EINVAL],
  ] as const)('and registers that there are not, of a bad pointer: %s', (release, address, register) => {
    const { vm, host } = created();
    vm.words.set32(PROFILE, releaseNumber(release));
    const noVcpu = 1n << 32n;
    expect(vgicGetAttr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, 9n, 8, host)).toBe(address);
    expect(vgicV2GetAttr(vm, KVM_DEV_ARM_VGIC_GRP_ADDR, 9n, 8, host)).toBe(address);
    expect(vgicSetAttr(vm, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, noVcpu, 8, host)).toBe(register);
    expect(vgicV2SetAttr(vm, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, noVcpu, 8, host)).toBe(register);
  });

  test('of redistributors over the distributor are refused', () => {
    const gic = created([0, 1]);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST, BigInt(GICD));
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REDIST, BigInt(GICD - 0x2_0000))).toBe(-EINVAL);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, region(0, GICD, 2))).toBe(-EINVAL);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REDIST, BigInt(GICR))).toBe(0);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REDIST, BigInt(GICR))).toBe(-EEXIST);
  });

  test('and initialisation are what the first run checks', () => {
    const gic = created([0, 1]);
    expect(mapResources(gic.vm, gic.host)).toBe(-ENXIO);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, region(0, GICR, 1));
    expect(mapResources(gic.vm, gic.host)).toBe(-ENXIO);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, region(1, 0x90a_0000, 1));
    expect(mapResources(gic.vm, gic.host)).toBe(-ENXIO);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST, 0x90a_0000n);
    expect(mapResources(gic.vm, gic.host)).toBe(-EINVAL);
    expect(mapResources(created([]).vm, gic.host)).toBe(-ENXIO);
    const placed = created();
    placed.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, DIST, BigInt(GICD));
    placed.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REDIST, BigInt(GICR));
    expect(mapResources(placed.vm, placed.host)).toBe(-EBUSY);
    expect(placed.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n)).toBe(0);
    expect(placed.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n)).toBe(0);
    expect(mapResources(placed.vm, placed.host)).toBe(0);
  });
});

describe('the number of interrupts', () => {
  test.each([0n, 32n, 63n, 65n, 1023n, 1024n])('is not %i', (count) => {
    expect(created().setAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, count)).toBe(-EINVAL);
  });

  test('is chosen once, 256 by default', () => {
    const gic = created();
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n)).toBe(32n);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, 992n)).toBe(0);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, 992n)).toBe(-EBUSY);
    const untold = created();
    untold.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n);
    expect(untold.getAttr(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n)).toBe(256n);
  });
});

test('the address of a pending table reads as one of cached, inner shareable memory from the start', () => {
  const gic = created();
  gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n);
  const read = (offset: bigint): bigint => gic.getAttr(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, offset);
  expect([read(0x70n), read(0x74n), read(0x78n), read(0x7cn)]).toEqual([0n, 0n, 0x580n, 0n]);
});

describe('register groups', () => {
  const groups = [
    KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
    KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
    KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
    KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
  ];

  test('are busy before initialisation and while a vCPU runs; identification is not', () => {
    const gic = created();
    const all = (): bigint[] => groups.map((group) => gic.getAttr(group, 0n));
    expect(all()).toEqual(groups.map(() => BigInt(-EBUSY)));
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n)).toBe(0x4b00_343bn);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n, 0n)).toBe(-EINVAL);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n, 0x4b00_243bn)).toBe(0);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n, 0x4b00_443bn)).toBe(-EINVAL);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n)).toBe(0x4b00_243bn);
    gic.vcpus[0]!.set32(VCPU_MUTEX, 1);
    expect(all()).toEqual(groups.map(() => BigInt(-EBUSY)));
    const save = BigInt(KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, save, 0n)).toBe(-EBUSY);
    gic.vcpus[0]!.set32(VCPU_MUTEX, 0);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, save, 0n)).toBe(0);
  });

  test('name a vCPU by its affinity, except the distributor’s', () => {
    const gic = guestGic([0, 16]);
    const other = 0x100n << 32n;
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, other | 8n)).toBe(0x1010n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, other | 12n)).toBe(0x100n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, 1n << 32n)).toBe(BigInt(-EINVAL));
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, (1n << 32n) | BigInt(SYSREGS.ICC_PMR_EL1))).toBe(
      BigInt(-EINVAL),
    );
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 1n << 32n)).toBe(0x50n);
  });

  test('MAINT_IRQ takes a PPI until initialisation', () => {
    const gic = created();
    const set = (value: bigint): number => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0n, value);
    expect(set(0n)).toBe(-EINVAL);
    expect(set(32n)).toBe(-EINVAL);
    expect(set(25n)).toBe(0);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0n)).toBe(25n);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n);
    expect(set(25n)).toBe(-EBUSY);
  });
});

/** Offset, value after initialisation with 64 interrupts, and what KVM_HAS_DEVICE_ATTR says. */
const DISTRIBUTOR: readonly (readonly [number, bigint, 'has' | 'not'])[] = [
  [0x0000, 0x50n, 'has'],
  [0x0004, 0x48_0001n, 'has'],
  [0x0008, 0x4b00_343bn, 'has'],
  [0x000c, 0n, 'has'],
  [0x0080, 0n, 'has'],
  [0x0084, 0xffff_ffffn, 'has'],
  [0x0100, 0n, 'has'],
  [0x0104, 0n, 'has'],
  [0x0180, 0n, 'has'],
  [0x0200, 0n, 'has'],
  [0x0300, 0n, 'has'],
  [0x0400, 0n, 'has'],
  [0x0420, 0n, 'has'],
  [0x0440, 0n, 'not'],
  [0x0c00, 0n, 'has'],
  [0x0c04, 0n, 'has'],
  [0x0c08, 0xaaaa_aaaan, 'has'],
  [0x0d00, 0n, 'has'],
  [0x0e00, 0n, 'not'],
  [0x6000, 0n, 'has'],
  [0x6100, 0n, 'has'],
  [0x6200, 0n, 'not'],
  [0xffe8, 0x3bn, 'has'],
  [0xffd0, 0n, 'has'],
  [0xfffc, 0n, 'has'],
  [0x0002, 0n, 'not'],
  [0x1000, 0n, 'not'],
  [0x1_0000, 0n, 'not'],
];

describe('distributor registers', () => {
  test.each(DISTRIBUTOR)('at %x read %x', (offset, value, has) => {
    const gic = guestGic([0, 1]);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, BigInt(offset))).toBe(value);
    expect(vgicHasAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, BigInt(offset), gic.host)).toBe(
      has === 'has' ? 0 : -ENXIO,
    );
  });

  test.each([
    [0x0000, 3n, 0x52n],
    [0x0004, 0xffff_ffffn, 0x48_0001n],
    [0x0104, 0xffff_ffffn, 0xffff_ffffn],
    [0x0084, 0xffn, 0xffn],
    [0x0420, 0xffff_ffffn, 0xf8f8_f8f8n],
    [0x0c08, 0n, 0n],
    [0x0204, 5n, 5n],
    [0x0304, 1n, 1n],
    [0x6100, 0x8100_0001n, 0x1n],
    [0x6104, 0xffn, 0n],
  ])('at %x take %x as %x', (offset, value, expected) => {
    const gic = guestGic([0, 1]);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, BigInt(offset), value)).toBe(0);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, BigInt(offset))).toBe(expected);
  });

  test('give user space the latch, which it can also clear, and the guest latch and line', () => {
    const gic = guestGic();
    const [vcpu] = gic.vcpus;
    gic.store(vcpu!, GICD + 0xc08, 0);
    setSpi(gic.vm, 33, true, gic.host);
    expect(gic.load(vcpu!, GICD + 0x204)).toBe(2n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x204n)).toBe(0n);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x204n, 0x10n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x204n)).toBe(0x10n);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x284n, 0xffff_ffffn);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x284n)).toBe(0n);
    expect(gic.load(vcpu!, GICD + 0x204)).toBe(0x12n);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x204n, 0n);
    expect(gic.load(vcpu!, GICD + 0x204)).toBe(2n);
  });
});

describe('a guest access', () => {
  const gic = guestGic([0]);
  const vcpu = gic.vcpus[0]!;

  test.each([
    ['a byte of IPRIORITYR', GICD + 0x421, 1, 0n],
    ['half of GICD_CTLR', GICD, 2, 0n],
    ['GICD_CTLR and TYPER at once', GICD, 8, 0n],
    ['IROUTER as 64 bits', GICD + 0x6100, 8, 0n],
    ['no register', GICD + 0x3000, 4, 0n],
    ['GICD_TYPER', GICD + 4, 4, 0x48_0001n],
    ['GICR_CTLR', GICR, 4, 6n],
    ['GICR_IIDR', GICR + 4, 4, 0x4b00_043bn],
    ['GICR_TYPER', GICR + 8, 8, 0x10n],
    ['GICR_WAKER', GICR + 0x14, 4, 0n],
    ['GICR_ISENABLER0', sgiFrame(0) + 0x100, 4, 0xffffn],
    ['GICR_ICFGR0', sgiFrame(0) + 0xc00, 4, 0xaaaa_aaaan],
    ['GICR_ICFGR1', sgiFrame(0) + 0xc04, 4, 0n],
    ['GICR_PIDR2', GICR + 0xffe8, 4, 0x3bn],
    ['behind the last redistributor', GICR + 0x2_0000, 4, -1n],
    ['behind the distributor', GICD + 0x1_0000, 4, -1n],
  ] as const)('to %s', (_name, gpa, bytes, expected) => {
    expect(gic.load(vcpu, gpa, bytes)).toBe(expected);
  });

  test('of a wrong width writes nothing', () => {
    gic.store(vcpu, GICD, 0xffff, 2);
    expect(gic.load(vcpu, GICD)).toBe(0x50n);
  });

  test('to one byte of IPRIORITYR leaves its neighbours', () => {
    gic.store(vcpu, GICD + 0x420, 0x1018_2028);
    gic.store(vcpu, GICD + 0x422, 0xff, 1);
    expect(gic.load(vcpu, GICD + 0x420)).toBe(0x10f8_2028n);
  });

  test('does not change how PPIs are triggered', () => {
    gic.store(vcpu, sgiFrame(0) + 0xc04, -1);
    expect(gic.load(vcpu, sgiFrame(0) + 0xc04)).toBe(0n);
  });
});

describe('GICR_TYPER as user space reads it', () => {
  /** Its low words of all vCPUs, of two contiguous regions. */
  const typers = (version: LinuxVersion): readonly bigint[] => {
    const gic = created([3, 2, 1]);
    gic.words.set32(PROFILE, releaseNumber(version));
    const read = (id: number): bigint =>
      gic.getAttr(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, (BigInt(id) << 32n) | 8n);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n);
    const unplaced = read(1);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, region(0, GICR, 2));
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, region(1, GICR + 0x4_0000, 1));
    return [unplaced, read(3), read(2), read(1), gic.load(gic.vcpus[0]!, GICR + 0x2_0008)];
  };

  test('has the id of the vCPU, and Last where it has a place', () => {
    expect(typers('6.1')).toEqual([0x100n, 0x300n, 0x200n, 0x110n, 0x200n]);
  });

  test('has no Last before 5.13, when it was that of a region', () => {
    expect(typers('5.10')).toEqual([0x100n, 0x300n, 0x200n, 0x100n, 0x210n]);
  });
});

test('GICR_TYPER.Last stands at the end of each contiguous range', () => {
  const gic = created([0, 1, 2, 3]);
  const set = (value: bigint): number => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_ADDR, REGION, value);
  expect([
    set(region(0, 0x100_0000, 1)),
    set(region(1, 0x102_0000, 1)),
    set(region(2, 0x200_0000, 8)),
  ]).toEqual([0, 0, 0]);
  gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT, 0n);
  const last = [0n, 1n, 2n, 3n].map((vcpu) =>
    gic.getAttr(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, (vcpu << 32n) | 8n),
  );
  expect(last).toEqual([0x000n, 0x110n, 0x200n, 0x310n]);
});

describe('CPU interface registers', () => {
  const rows: readonly (readonly [keyof typeof SYSREGS, bigint, bigint, bigint])[] = [
    // name, value at first, after writing 0xf8, after writing all ones
    ['ICC_PMR_EL1', 0n, 0xf8n, 0xffn],
    ['ICC_BPR0_EL1', 0n, 0n, 7n],
    ['ICC_AP0R0_EL1', 0n, 0xf8n, 0xffff_ffffn],
    ['ICC_AP1R0_EL1', 0n, 0xf8n, 0xffff_ffffn],
    ['ICC_BPR1_EL1', 0n, 0n, 7n],
    ['ICC_IGRPEN0_EL1', 0n, 0n, 1n],
    ['ICC_IGRPEN1_EL1', 0n, 0n, 1n],
  ];
  const access = (gic: GuestGic, name: keyof typeof SYSREGS) => {
    const attr = BigInt(SYSREGS[name]);
    return {
      get: () => gic.getAttr(KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, attr),
      set: (value: bigint) => gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, attr, value),
      has: () => vgicHasAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, attr, gic.host),
    };
  };

  test.each(rows)('%s', (name, first, second, third) => {
    const { get, set, has } = access(guestGic(), name);
    expect(has()).toBe(0);
    expect(get()).toBe(first);
    expect([set(0xf8n), get()]).toEqual([0, second]);
    expect([set(MAX), get()]).toEqual([0, third]);
  });

  test.each(['ICC_IAR0_EL1', 'ICC_IAR1_EL1', 'ICC_RPR_EL1', 'ICC_SGI1R_EL1'] as const)('not %s', (name) => {
    const { get, set, has } = access(guestGic(), name);
    expect([has(), get(), set(0n)]).toEqual([-ENXIO, BigInt(-ENOENT), -ENOENT]);
  });

  test.each(['ICC_AP0R1_EL1', 'ICC_AP1R1_EL1', 'ICC_AP1R3_EL1'] as const)(
    '%s is beyond 32 priorities',
    (name) => {
      const { get, set, has } = access(guestGic(), name);
      expect([has(), get(), set(0n)]).toEqual([0, BigInt(-EINVAL), -EINVAL]);
    },
  );

  test('ICC_CTLR_EL1 can be lowered, and keeps what was lowered before it refused', () => {
    const gic = guestGic();
    const { get, set } = access(gic, 'ICC_CTLR_EL1');
    expect(get()).toBe(0x8c00n);
    expect(set(0x8c03n)).toBe(0);
    expect(get()).toBe(0x8c03n);
    expect(set(0xf8n)).toBe(-EINVAL);
    expect(get()).toBe(0x8003n);
    expect(set(MAX)).toBe(-EINVAL);
    expect(get()).toBe(0x8003n);
    expect(gic.mrs(gic.vcpus[0]!, 'ICC_CTLR_EL1')).toBe(0x8c03);
  });

  test('ICC_SRE_EL1 stays 7 and must not be cleared', () => {
    const { get, set } = access(guestGic(), 'ICC_SRE_EL1');
    expect([get(), set(0xf8n), get(), set(MAX), get()]).toEqual([7n, -EINVAL, 7n, 0, 7n]);
  });
});

describe('LEVEL_INFO', () => {
  test('shows and sets the lines of level-sensitive interrupts', () => {
    const gic = guestGic([0], 96);
    const [vcpu] = gic.vcpus;
    const get = (attr: bigint): bigint => gic.getAttr(KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, attr);
    setSpi(gic.vm, 33, true, gic.host);
    setPpi(vcpu!, 20, true, gic.host);
    expect([get(0n), get(32n), get(64n), get(96n)]).toEqual([0x10_0000n, 0n, 0n, 0n]);
    expect([get(33n), get(1024n), get(1056n)]).toEqual([-EINVAL, -EINVAL, -EINVAL].map(BigInt));
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, 32n, 0xf0n)).toBe(0);
    expect(get(32n)).toBe(0n);
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x204n)).toBe(2n);
    gic.store(vcpu!, GICD + 0xc08, 0);
    expect(get(32n)).toBe(0xf0n);
    expect(vgicHasAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, 1024n, gic.host)).toBe(-ENXIO);
  });
});

test('groups that a GICv3 does not have', () => {
  const gic = created();
  for (const group of [2, 8, 10, 11]) {
    expect(vgicHasAttr(gic.vm, group, 0n, gic.host)).toBe(-ENXIO);
    expect(gic.setAttr(group, 0n, 0n)).toBe(-ENXIO);
    expect(gic.getAttr(group, 0n)).toBe(BigInt(-ENXIO));
  }
  expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, INIT)).toBe(BigInt(-ENXIO));
  expect(vgicGetAttr(gic.vm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0n, 8, gic.host)).toBe(-EFAULT);
});

describe('the GIC of an older Linux', () => {
  const asLinux = (version: LinuxVersion): GuestGic => {
    const gic = guestGic([0], 0);
    gic.words.set32(PROFILE, releaseNumber(version));
    createVgic(gic.vm, KVM_DEV_TYPE_ARM_VGIC_V3, gic.host);
    return gic;
  };
  const initialised = (version: LinuxVersion): GuestGic => {
    const gic = asLinux(version);
    gic.setAttr(KVM_DEV_ARM_VGIC_GRP_CTRL, BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT), 0n);
    return gic;
  };

  test('has one revision in 5.10, and takes no other', () => {
    const gic = initialised('5.10');
    expect(gic.getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n)).toBe(0x4b00_243bn);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n, 0x4b00_343bn)).toBe(-EINVAL);
    expect(gic.setAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n, 0x4b00_243bn)).toBe(0);
  });

  test('does not say what it is before it is initialised', () => {
    expect(asLinux('6.12').getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n)).toBe(BigInt(-EBUSY));
    expect(asLinux('7.3').getAttr(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 8n)).toBe(0x4b00_343bn);
  });

  test('has no group for the maintenance interrupt', () => {
    const { vm, host } = asLinux('6.12');
    expect(vgicHasAttr(vm, KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0n, host)).toBe(-ENXIO);
  });

  test('says ENXIO in 5.10 of a CPU interface register that it does not know', () => {
    const unknown = (version: LinuxVersion) =>
      initialised(version).getAttr(KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, 0xc000n);
    expect([unknown('5.10'), unknown('6.1')]).toEqual([BigInt(-ENXIO), BigInt(-ENOENT)]);
  });
});
