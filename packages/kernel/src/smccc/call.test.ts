import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  ENXIO,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_EXIT_HYPERCALL,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
  KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
  KVM_REG_ARM_STD_BMAP,
  KVM_REG_ARM_STD_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  KVM_REG_ARM_VENDOR_HYP_BMAP_2,
  KVM_SMCCC_FILTER_DENY,
  KVM_SMCCC_FILTER_FWD_TO_USER,
  KVM_SMCCC_FILTER_HANDLE,
  kvmRun,
  kvmRunHypercall,
  kvmSmcccFilter,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { USER, bareVm } from '../../test/bare-vm.ts';
import type { BareVm } from '../../test/bare-vm.ts';
import type { Block } from '../state/block.ts';
import { MP_STATE } from '../state/control.ts';
import { RUN_PAGE, X } from '../state/vcpu-state.ts';
import { FEATURES, VM_HAS_RUN } from '../state/vm-control.ts';
import {
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_GPA,
  MEMSLOT_LENGTH,
  MEMSLOT_USER_ADDRESS,
} from '../state/vm-state.ts';
import { initTimers } from '../timer/arch-timer.ts';
import { smccc } from './call.ts';
import { addFilter } from './filter.ts';
import { firmwareRegisters, getFirmwareRegister, setFirmwareRegister } from './firmware-regs.ts';
import { getPvtimeAttr, setPvtimeAttr } from './pvtime.ts';

const REFUSED = [-1n, 0n, 0n, 0n];
const SENTINEL = 0x5a5a_0000_0000_0000n;

interface Guest extends BareVm {
  readonly vcpu: Block;
  /** Makes a call with HVC #0. @returns x0 (signed) to x3, or `'exit'` */
  hvc(id: number, ...args: readonly bigint[]): bigint[] | 'exit';
  smc(id: number, immediate: number, ...args: readonly bigint[]): bigint[] | 'exit';
  filter(base: number, count: number, action: number, pad?: number): number;
  get(id: bigint): bigint | undefined;
  set(id: bigint, value: bigint): number;
}

function guest(features = 1 << KVM_ARM_VCPU_PSCI_0_2): Guest {
  const bare = bareVm([0, 1]);
  const { vm, host, words } = bare;
  const vcpu = bare.vcpus[0]!;
  vm.set32(FEATURES, features);
  initTimers(vcpu, host);
  const call = (smc: boolean, immediate: number, id: number, args: readonly bigint[]): bigint[] | 'exit' => {
    for (let n = 1; n <= 3; n++) vcpu.set64(X + 8 * n, args[n - 1] ?? SENTINEL + BigInt(n));
    vcpu.set64(X, BigInt(id));
    if (smccc(vcpu, smc, immediate, host) === 'exit') return 'exit';
    const [x0, ...rest] = [0, 1, 2, 3].map((n) => vcpu.get64(X + 8 * n));
    return [BigInt.asIntN(64, x0!), ...rest];
  };
  return Object.assign(bare, {
    vcpu,
    hvc: (id: number, ...args: readonly bigint[]) => call(false, 0, id, args),
    smc: (id: number, immediate: number, ...args: readonly bigint[]) => call(true, immediate, id, args),
    filter(base: number, nr_functions: number, action: number, pad = 0) {
      const bytes = new Uint8Array(15);
      bytes[14] = pad;
      kvmSmcccFilter.write(words.memory, USER, { base, nr_functions, action, pad: bytes });
      return addFilter(vm, USER, host);
    },
    get: (id: bigint) => getFirmwareRegister(vcpu, id),
    set: (id: bigint, value: bigint) => setFirmwareRegister(vcpu, id, value, host),
  });
}

const exitReason = ({ vcpu }: Guest): number =>
  vcpu.words.get32(vcpu.get32(RUN_PAGE) + kvmRun.offsets.exit_reason);

describe('conduits', () => {
  test('an SMC with a number other than 0 gets -1 and keeps its arguments', () => {
    expect(guest().smc(0x8400_0000, 1, 1n, 2n, 3n)).toEqual([-1n, 1n, 2n, 3n]);
  });

  test('an SMC #0 is served as an HVC, and HVC’s number does not matter', () => {
    const made = guest();
    expect(made.smc(0x8400_0000, 0)).toEqual([0x1_0003n, 0n, 0n, 0n]);
    made.vcpu.set64(X, 0x8400_0000n);
    expect(smccc(made.vcpu, false, 0xffff, made.host)).toBe('resume');
    expect(made.vcpu.get64(X)).toBe(0x1_0003n);
  });

  test.each([
    0, 1, 0x1234_5678, 0x8000_0002, 0x8000_0005, 0xc000_0000, 0xffff_ffff, 0x8400_ffff, 0x8600_0005,
    0xc400_0020,
  ])('the id %i is refused', (id) => {
    expect(guest().hvc(id)).toEqual(REFUSED);
  });

  test('only the low word of x0 is the id', () => {
    const made = guest();
    made.vcpu.set64(X, 0x1_8000_0000n);
    smccc(made.vcpu, false, 0, made.host);
    expect(made.vcpu.get64(X)).toBe(0x1_0001n);
  });
});

describe('architecture calls', () => {
  test('SMCCC is 1.1, with or without PSCI 0.2', () => {
    expect(guest().hvc(0x8000_0000)).toEqual([0x1_0001n, 0n, 0n, 0n]);
    expect(guest(0).hvc(0x8000_0000)).toEqual([0x1_0001n, 0n, 0n, 0n]);
  });

  test.each([
    [0x8000_8000n, 1n],
    [0x8000_7fffn, -1n],
    [0xc500_0020n, 0n],
    [0x8000_0000n, -1n],
    [0x8400_0050n, -1n],
  ])('ARCH_FEATURES of %x is %i', (id, expected) => {
    expect(guest().hvc(0x8000_0001, id)).toEqual([expected, 0n, 0n, 0n]);
  });

  test('a workaround by HVC touches x0 and x1; by SMC it is refused', () => {
    for (const id of [0x8000_8000, 0x8000_7fff, 0x8000_3fff]) {
      expect(guest().hvc(id, 1n)).toEqual([0n, 0n, SENTINEL + 2n, SENTINEL + 3n]);
      expect(guest().smc(id, 0, 1n)).toEqual(REFUSED);
    }
  });
});

describe('vendor calls', () => {
  test('UID and features', () => {
    const made = guest();
    expect(made.hvc(0x8600_ff01)).toEqual([0xb66f_b428n, 0xe911_c52en, 0x564b_caa9n, 0x743a_004dn]);
    expect(made.hvc(0x8600_0000)).toEqual([3n, 0n, 0n, 0n]);
    made.set(KVM_REG_ARM_VENDOR_HYP_BMAP_2, 2n);
    expect(made.hvc(0x8600_0000)).toEqual([3n, 0n, 2n, 0n]);
  });

  test('PTP gives the time and the counter it asks for', () => {
    const made = guest();
    made.host.realTime = () => 0x1122_3344_5566_7788n;
    made.now = 16 * 5;
    expect(made.hvc(0x8600_0001, 0n)).toEqual([0x1122_3344n, 0x5566_7788n, 0n, 5n]);
    expect(made.hvc(0x8600_0001, 2n)).toEqual(REFUSED);
  });

  test('are gone with their bitmap', () => {
    const made = guest();
    made.set(KVM_REG_ARM_VENDOR_HYP_BMAP, 2n);
    expect(made.hvc(0x8600_ff01)).toEqual(REFUSED);
    expect(made.hvc(0x8600_0000)).toEqual(REFUSED);
    expect(made.hvc(0x8600_0001, 0n)).not.toEqual(REFUSED);
    made.set(KVM_REG_ARM_VENDOR_HYP_BMAP, 0n);
    expect(made.hvc(0x8600_0001, 0n)).toEqual(REFUSED);
  });
});

describe('random numbers', () => {
  const bytes = (count: number): bigint => BigInt(`0x${'a5'.repeat(count)}`);

  test.each([
    [0x8400_0053, 0n, [0n, 0n, 0n, 0n]],
    [0x8400_0053, 12n, [0n, 0n, 0n, 0x5a5n]],
    [0x8400_0053, 40n, [0n, 0n, 0xa5n, bytes(4)]],
    [0x8400_0053, 96n, [0n, bytes(4), bytes(4), bytes(4)]],
    [0x8400_0053, 97n, [-2n, 0n, 0n, 0n]],
    [0xc400_0053, 97n, [0n, 0n, 0x1_a5a5_a5a5n, bytes(8)]],
    [0xc400_0053, 192n, [0n, bytes(8), bytes(8), bytes(8)]],
    [0xc400_0053, 193n, [-2n, 0n, 0n, 0n]],
    [0xc400_0053, 1n << 32n, [-2n, 0n, 0n, 0n]],
  ] as const)('%x of %i bits', (id, bits, expected) => {
    expect(guest().hvc(id, bits)).toEqual(expected);
  });

  test('the service describes itself', () => {
    const made = guest();
    expect(made.hvc(0x8400_0050)).toEqual([0x1_0000n, 0n, 0n, 0n]);
    expect(made.hvc(0x8400_0051, 0xc400_0053n)).toEqual([0n, 0n, 0n, 0n]);
    expect(made.hvc(0x8400_0051, 0x8400_0054n)).toEqual(REFUSED);
    expect(made.hvc(0x8400_0052)).toEqual([
      0x00e0_210dn,
      -0x14ee_7bbdn & 0xffff_ffffn,
      0x4452_7080n,
      0x4c5a_4e55n,
    ]);
    made.set(KVM_REG_ARM_STD_BMAP, 0n);
    for (const id of [0x8400_0050, 0x8400_0051, 0x8400_0052, 0x8400_0053, 0xc400_0053]) {
      expect(made.hvc(id, 0x8400_0053n)).toEqual(REFUSED);
    }
  });
});

describe('stolen time', () => {
  const GPA = 0x4001_0000n;

  function withMemory(): Guest {
    const made = guest();
    made.vm.set32(MEMSLOT_COUNT, 1);
    made.vm.setNumber(MEMSLOTS + MEMSLOT_GPA, 0x4001_0000);
    made.vm.setNumber(MEMSLOTS + MEMSLOT_LENGTH, 0x1000);
    made.vm.set32(MEMSLOTS + MEMSLOT_USER_ADDRESS, USER + 0x1000);
    return made;
  }
  const place = (made: Guest, gpa: bigint): number => {
    made.words.set64(USER, gpa);
    return setPvtimeAttr(made.vcpu, 0n, USER);
  };

  test('has no structure until user space places one', () => {
    const made = withMemory();
    expect(made.hvc(0xc500_0020, 0xc500_0021n)).toEqual(REFUSED);
    expect(made.hvc(0xc500_0021)).toEqual(REFUSED);
    expect(place(made, GPA + 32n)).toBe(-EINVAL);
    expect(place(made, 0n)).toBe(-EINVAL);
    expect(setPvtimeAttr(made.vcpu, 1n, USER)).toBe(-ENXIO);
    expect(setPvtimeAttr(made.vcpu, 0n, 8)).toBe(-EFAULT);
    expect(place(made, GPA)).toBe(0);
    expect(place(made, GPA)).toBe(-EEXIST);
    getPvtimeAttr(made.vcpu, 0n, USER);
    expect(made.words.get64(USER)).toBe(GPA);
    made.words.u8.fill(0xff, USER + 0x1000, USER + 0x1050);
    expect(made.hvc(0xc500_0020, 0xc500_0021n)).toEqual([0n, 0n, 0n, 0n]);
    expect(made.hvc(0xc500_0020, 0xc500_0022n)).toEqual(REFUSED);
    expect(made.hvc(0xc500_0021)).toEqual([GPA, 0n, 0n, 0n]);
    expect(made.words.get64(USER + 0x1038)).toBe(0n);
    expect(made.words.get64(USER + 0x1040)).not.toBe(0n);
  });

  test('is gone with its bitmap', () => {
    const made = withMemory();
    place(made, GPA);
    made.set(KVM_REG_ARM_STD_HYP_BMAP, 0n);
    expect(made.hvc(0xc500_0020, 0xc500_0021n)).toEqual(REFUSED);
    expect(made.hvc(0xc500_0021)).toEqual(REFUSED);
    expect(made.hvc(0x8000_0001, 0xc500_0020n)).toEqual(REFUSED);
  });
});

describe('the filter', () => {
  type Range = readonly [base: number, count: number, action: number, pad: number];
  const ranges: readonly (readonly [string, Range, number])[] = [
    ['pads', [0x8400_0000, 1, KVM_SMCCC_FILTER_DENY, 1], -EINVAL],
    ['an empty range', [0x8400_0000, 0, KVM_SMCCC_FILTER_DENY, 0], -EINVAL],
    ['an empty range at 0, which is all ids', [0, 0, KVM_SMCCC_FILTER_DENY, 0], -EEXIST],
    ['an action there is not', [0x8400_0000, 1, 3, 0], -EINVAL],
    ['a range that wraps', [0xffff_ffff, 2, KVM_SMCCC_FILTER_DENY, 0], -EINVAL],
    ['architecture calls', [0x8000_0000, 1, KVM_SMCCC_FILTER_DENY, 0], -EEXIST],
    ['up to architecture calls', [0x7fff_ffff, 2, KVM_SMCCC_FILTER_DENY, 0], -EEXIST],
    ['64-bit architecture calls', [0xc000_0000, 1, KVM_SMCCC_FILTER_DENY, 0], -EEXIST],
    ['just below them', [0xbfff_ffff, 1, KVM_SMCCC_FILTER_DENY, 0], 0],
    ['the last id', [0xffff_ffff, 1, KVM_SMCCC_FILTER_DENY, 0], 0],
    ['the first id', [0, 1, KVM_SMCCC_FILTER_DENY, 0], 0],
  ];
  test.each(ranges)('%s', (_name, range, expected) => {
    expect(guest().filter(...range)).toBe(expected);
  });

  test('takes no range twice, none after a run, and none from nowhere', () => {
    const made = guest();
    expect(addFilter(made.vm, 0x10, made.host)).toBe(-EFAULT);
    expect(made.filter(0x8400_0000, 1, KVM_SMCCC_FILTER_HANDLE)).toBe(0);
    expect(made.filter(0x8400_0000, 0x20, KVM_SMCCC_FILTER_DENY)).toBe(-EEXIST);
    made.vm.set32(VM_HAS_RUN, 1);
    expect(made.filter(0x8400_0000, 0x20, KVM_SMCCC_FILTER_DENY)).toBe(-EBUSY);
    expect(made.filter(0x8400_0000, 0, KVM_SMCCC_FILTER_DENY)).toBe(-EINVAL);
  });

  test('denies', () => {
    const made = guest();
    made.filter(0x8400_0003, 1, KVM_SMCCC_FILTER_DENY);
    expect(made.hvc(0x8400_0003, 1n, 0n, 0n)).toEqual(REFUSED);
    expect(made.hvc(0x8400_000a, 0x8400_0003n)).toEqual([0n, 0n, 0n, 0n]);
    expect(made.hvc(0x8400_0000)).toEqual([0x1_0003n, 0n, 0n, 0n]);
  });

  test('forwards with the registers as they are, and lets nobody stop', () => {
    const made = guest();
    made.filter(0x8400_0008, 2, KVM_SMCCC_FILTER_FWD_TO_USER);
    expect(made.hvc(0x8400_0008)).toBe('exit');
    expect(exitReason(made)).toBe(KVM_EXIT_HYPERCALL);
    const { nr, flags } = kvmRunHypercall.read(made.words.memory, made.vcpu.get32(RUN_PAGE));
    expect([nr, flags]).toEqual([0x8400_0008n, 0n]);
    expect(made.vcpu.get64(X)).toBe(0x8400_0008n);
    expect(made.vcpu.get64(X + 8)).toBe(SENTINEL + 1n);
    expect(made.vcpu.get32(MP_STATE)).toBe(0);
    expect(made.smc(0x8400_0009, 0)).toBe('exit');
    expect(kvmRunHypercall.read(made.words.memory, made.vcpu.get32(RUN_PAGE)).flags).toBe(1n);
    expect(made.smc(0x8400_0009, 5)).not.toBe('exit');
  });

  test('does not see a workaround, nor overrule a bitmap', () => {
    const made = guest();
    made.set(KVM_REG_ARM_STD_BMAP, 0n);
    made.filter(0x8400_0050, 4, KVM_SMCCC_FILTER_HANDLE);
    expect(made.hvc(0x8400_0050)).toEqual(REFUSED);
  });
});

describe('firmware registers', () => {
  test('are listed in order', () => {
    expect(firmwareRegisters(guest().vcpu)).toEqual([
      KVM_REG_ARM_PSCI_VERSION,
      KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1,
      KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2,
      KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3,
      KVM_REG_ARM_STD_BMAP,
      KVM_REG_ARM_STD_HYP_BMAP,
      KVM_REG_ARM_VENDOR_HYP_BMAP,
      KVM_REG_ARM_VENDOR_HYP_BMAP_2,
    ]);
  });

  test('others do not exist', () => {
    const made = guest();
    expect(made.get(0x6030_0000_0014_0004n)).toBeUndefined();
    expect(made.set(0x6030_0000_0016_0004n, 0n)).toBe(-ENOENT);
    expect(made.set(0x6020_0000_0014_0000n, 0n)).toBe(-ENOENT);
  });

  test('a version with the feature PSCI_0_2 is 0.2 or later, at any time', () => {
    const made = guest();
    made.vm.set32(VM_HAS_RUN, 1);
    expect(made.get(KVM_REG_ARM_PSCI_VERSION)).toBe(0x1_0003n);
    for (const version of [2n, 0x1_0000n, 0x1_0001n, 0x1_0002n, 0x1_0003n]) {
      expect(made.set(KVM_REG_ARM_PSCI_VERSION, version)).toBe(0);
      expect(made.get(KVM_REG_ARM_PSCI_VERSION)).toBe(version);
    }
    for (const version of [0n, 1n, 3n, 0x1_0004n, 0x2_0000n, 0x1_0000_0002n, 0xffff_ffff_ffff_ffffn]) {
      expect(made.set(KVM_REG_ARM_PSCI_VERSION, version)).toBe(-EINVAL);
    }
    expect(made.get(KVM_REG_ARM_PSCI_VERSION)).toBe(0x1_0003n);
  });

  test('a version without the feature is 0.1', () => {
    const made = guest(0);
    expect(made.get(KVM_REG_ARM_PSCI_VERSION)).toBe(1n);
    expect(made.set(KVM_REG_ARM_PSCI_VERSION, 1n)).toBe(0);
    expect(made.set(KVM_REG_ARM_PSCI_VERSION, 2n)).toBe(-EINVAL);
  });

  test.each([
    [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1, [0n, 1n, 2n], [3n, 0x10n]],
    [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2, [0n, 1n], [2n, 3n, 0x11n, 0x12n, 0x13n, 4n]],
    [KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3, [0n], [1n, 2n]],
  ])('workaround %x accepts what the host has, and forgets it', (id, accepted, refused) => {
    const made = guest();
    const before = made.get(id);
    for (const value of accepted) expect([made.set(id, value), made.get(id)]).toEqual([0, before]);
    for (const value of refused) expect([made.set(id, value), made.get(id)]).toEqual([-EINVAL, before]);
  });

  test.each([
    [KVM_REG_ARM_STD_BMAP, 1n, 1n],
    [KVM_REG_ARM_STD_HYP_BMAP, 1n, 1n],
    [KVM_REG_ARM_VENDOR_HYP_BMAP, 3n, 3n],
    [KVM_REG_ARM_VENDOR_HYP_BMAP_2, 0n, 3n],
  ])('bitmap %x starts as %i and is frozen by a run', (id, initial, known) => {
    const made = guest();
    expect(made.get(id)).toBe(initial);
    expect(made.set(id, known + 1n)).toBe(-EINVAL);
    expect(made.set(id, 1n << 63n)).toBe(-EINVAL);
    expect([made.set(id, 0n), made.get(id)]).toEqual([0, 0n]);
    expect([made.set(id, known), made.get(id)]).toEqual([0, known]);
    made.vm.set32(VM_HAS_RUN, 1);
    expect(made.set(id, known)).toBe(0);
    expect(made.set(id, 0n)).toBe(-EBUSY);
  });
});
