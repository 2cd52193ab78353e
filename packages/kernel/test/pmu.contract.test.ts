/** The PMU: what guests count, and what user space makes of it. */
import {
  KVM_ARM_DEV_PMU,
  KVM_ARM_VCPU_PMU_V3_CTRL,
  KVM_ARM_VCPU_PMU_V3_FILTER,
  KVM_ARM_VCPU_PMU_V3_INIT,
  KVM_ARM_VCPU_PMU_V3_IRQ,
  KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS,
  KVM_ARM_VCPU_PMU_V3_SET_PMU,
  KVM_CREATE_DEVICE,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_EXIT_INTR,
  KVM_EXIT_MMIO,
  KVM_GET_DEVICE_ATTR,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_HAS_DEVICE_ATTR,
  KVM_PMU_EVENT_ALLOW,
  KVM_PMU_EVENT_DENY,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_SET_DEVICE_ATTR,
  KVM_SET_GUEST_DEBUG,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
  SYSREGS,
  VKVM_PMU_TYPE,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmGuestDebug,
  kvmRun,
  kvmRunSyncRegs,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import type { ProfileName, SysregName } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { DEVICE, PSCI_0_2, RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

const PMU = PSCI_0_2 | 0x8;
const STRICT = 0x200;
const PPI = 23;
const GICD = 0x0800_0000;
const GICR = 0x080a_0000;

const CYCLES = 1n << 31n;
const E = 1n;
const LP = 1n << 7n;
const NOT_EL1 = 1n << 31n;
const NOT_EL0 = 1n << 30n;

const NOP = 0xd503_201f;
const STAY = 0x1400_0000; // b .
const ERET = 0xd69f_03e0;
const SVC = 0xd400_0001;
const STORE = 0xb900_0281; // str w1, [x20], which is no memory
const UNMASK_IRQ = 0xd503_42ff; // msr daifclr, #2
const mrs = (rt: number, name: SysregName): number => (0xd520_0000 | (SYSREGS[name] << 5) | rt) >>> 0;
const msr = (name: SysregName, rt: number): number => (0xd500_0000 | (SYSREGS[name] << 5) | rt) >>> 0;
const nops = (count: number): number[] => Array.from({ length: count }, () => NOP);

/** Registers of one bit for each counter, which user space zeroes by both of their names in every profile. */
const PAIRS = [
  ['PMCNTENSET_EL0', 'PMCNTENCLR_EL0'],
  ['PMINTENSET_EL1', 'PMINTENCLR_EL1'],
  ['PMOVSSET_EL0', 'PMOVSCLR_EL0'],
] as const;

class Guest extends TestVcpu {
  reg(name: SysregName): bigint | string {
    return this.get(sysregId(SYSREGS[name]));
  }

  setReg(name: SysregName, value: bigint): number | string {
    return this.set(sysregId(SYSREGS[name]), value);
  }

  x(n: number): bigint {
    return this.get(xRegId(n)) as bigint;
  }

  setX(values: Readonly<Record<number, bigint | number>>): void {
    for (const [n, value] of Object.entries(values)) this.set(xRegId(Number(n)), BigInt(value));
  }

  /** An attribute of the PMU with a value of four bytes, or with bytes. */
  pmu(request: number, attr: number, value: number | readonly number[] = 0): number | string {
    const { process } = this.vm;
    const { data, arg } = process;
    const bytes = typeof value === 'number' ? [value, value >> 8, value >> 16, value >> 24] : value;
    bytes.forEach((byte, n) => data.setUint8(arg + 512 + n, byte));
    return process.call(this.fd, request, kvmDeviceAttr, {
      group: KVM_ARM_VCPU_PMU_V3_CTRL,
      attr: BigInt(attr),
      addr: arg + 512,
    });
  }

  setPmu(attr: number, value?: number | readonly number[]): number | string {
    return this.pmu(KVM_SET_DEVICE_ATTR, attr, value);
  }

  /** Allows or denies one event. */
  filter(event: number, action: number): number | string {
    return this.setPmu(KVM_ARM_VCPU_PMU_V3_FILTER, [event & 0xff, event >> 8, 1, 0, action, 0, 0, 0]);
  }

  /** Executes from RAM on, to the store that ends KVM_RUN. */
  call(words: readonly number[]): this {
    this.vm.load([...words, STORE, STAY]);
    this.set(KVM_REG_PC, BigInt(RAM));
    this.set(KVM_REG_PSTATE, 0x3c5n);
    this.setX({ 20: DEVICE });
    expect(this.run()).toBe(0);
    expect(this.exitReason).toBe(KVM_EXIT_MMIO);
    // The store is complete, and nothing else happens.
    this.exit(kvmRun).immediate_exit = 1;
    expect(this.run()).toBe('EINTR');
    this.exit(kvmRun).immediate_exit = 0;
    return this;
  }

  /** Sets PMCR_EL0, but not the number of counters. */
  control(flags: bigint): this {
    this.setReg('PMCR_EL0', ((this.reg('PMCR_EL0') as bigint) & ~0xffn) | flags);
    return this;
  }

  /** Counters by number, all of them enabled. */
  count(types: readonly bigint[]): this {
    types.forEach((type, n) => {
      this.setReg(`PMEVTYPER${n}_EL0` as SysregName, type);
      this.setReg(`PMEVCNTR${n}_EL0` as SysregName, 0n);
    });
    this.setReg('PMCCNTR_EL0', 0n);
    for (const [set, clear] of PAIRS) {
      this.setReg(set, 0n);
      this.setReg(clear, this.reg(set) as bigint);
    }
    this.setReg('PMCNTENSET_EL0', CYCLES | ((1n << BigInt(types.length)) - 1n));
    return this.control(E);
  }
}

interface Options {
  readonly profile?: ProfileName;
  readonly slice?: number;
  readonly gic?: boolean;
}

/** A vCPU with a PMU that is not initialised. */
function withPmu(
  { profile = 'linux-7.3', slice = 100_000, gic = false }: Options = {},
  features = PMU,
): Guest {
  const process = new TestProcess({ profile });
  const vm = new TestVm(process);
  vm.slice(slice);
  const guest = new Guest(vm);
  if (gic) createGic(vm);
  expect(guest.init(features)).toBe(0);
  guest.set(KVM_REG_PC, BigInt(RAM));
  return guest;
}

function ready(options: Options = {}): Guest {
  const guest = withPmu(options);
  if (options.gic === true) expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, PPI)).toBe(0);
  expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
  return guest;
}

function createGic({ process, fd }: TestVm): void {
  process.call(fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: KVM_DEV_TYPE_ARM_VGIC_V3 });
  const gic = kvmCreateDevice.read(process.memory, process.arg).fd;
  const set = (group: number, attr: number, value: number): void => {
    process.data.setBigUint64(process.arg + 512, BigInt(value), true);
    const addr = process.arg + 512;
    expect(process.call(gic, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, { group, attr: BigInt(attr), addr })).toBe(
      0,
    );
  };
  set(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, GICD);
  set(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, GICR);
  set(KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0);
}

describe('counting', () => {
  // With a GIC exits for devices go a way of their own: see SETTLED in state/control.ts.
  test.each([false, true])('begins between exits for a device. With a GIC: %s', (gic) => {
    const guest = ready({ gic }).count([]).control(0n);
    guest.vm.load([
      STORE,
      ...nops(3),
      STORE,
      msr('PMCR_EL0', 5),
      ...nops(10),
      STORE,
      ...nops(5),
      mrs(2, 'PMCCNTR_EL0'),
      STORE,
    ]);
    guest.setX({ 5: E, 20: DEVICE });
    for (let exit = 0; exit < 4; exit++) expect([guest.run(), guest.exitReason]).toEqual([0, KVM_EXIT_MMIO]);
    expect(guest.x(2)).toBe(16n); // the MSR too
  });

  test.each(['linux-5.10', 'linux-6.1', 'linux-6.12', 'linux-7.3'] as const)(
    'cycles and instructions are those that retire: %s',
    (profile) => {
      const guest = ready({ profile }).count([0x11n, 0x08n, 0x1234n]);
      const read = [mrs(2, 'PMCCNTR_EL0'), mrs(3, 'PMEVCNTR0_EL0'), mrs(4, 'PMEVCNTR1_EL0')];
      guest.call([
        ...read,
        ...nops(10),
        mrs(5, 'PMCCNTR_EL0'),
        mrs(6, 'PMEVCNTR0_EL0'),
        mrs(7, 'PMEVCNTR1_EL0'),
      ]);
      expect([guest.x(5) - guest.x(2), guest.x(6) - guest.x(3), guest.x(7) - guest.x(4)]).toEqual([
        13n,
        13n,
        13n,
      ]);
      expect(guest.x(3)).toBe(1n);
      expect(guest.reg('PMEVCNTR2_EL0')).toBe(0n);
    },
  );

  test('does not depend on how runs are cut', () => {
    // x1 turns of three instructions, a page of others between them.
    const program = [mrs(2, 'PMCCNTR_EL0'), ...nops(30), 0xf100_0421, 0x54ff_fc21, mrs(3, 'PMCCNTR_EL0')];
    const seen = [3, 50, 1000, 100_000].map((slice) => {
      const guest = ready({ slice }).count([]);
      guest.vm.load([...program, STORE, STAY]);
      guest.setX({ 1: 500, 20: DEVICE });
      for (let runs = 0; runs < 100_000 && guest.run() !== 0; runs++);
      return guest.x(3) - guest.x(2);
    });
    expect(seen).toEqual([16_001n, 16_001n, 16_001n, 16_001n]);
  });

  test('ends while PMCR_EL0.E is clear, or the counter is disabled', () => {
    const guest = ready().count([0x08n]);
    guest.setX({ 2: 1 });
    guest.call([msr('PMCNTENCLR_EL0', 2), ...nops(5), msr('PMCR_EL0', 31), ...nops(5)]);
    // A write that stops a counter does not count in it.
    expect([guest.reg('PMEVCNTR0_EL0'), guest.reg('PMCCNTR_EL0')]).toEqual([0n, 6n]);
  });

  test('tells EL0 from EL1', () => {
    const guest = ready().count([0x08n, 0x08n | NOT_EL1, 0x08n | NOT_EL0, 0x08n | NOT_EL0 | NOT_EL1]);
    // To EL0 for 7 instructions and SVC; at the vector, the store.
    guest.vm.load([...nops(7), SVC], 0x800);
    guest.vm.load([STORE, STAY], 0x1400);
    guest.setReg('VBAR_EL1', BigInt(RAM + 0x1000));
    guest.setX({ 2: RAM + 0x800, 3: 0x3c0, 20: DEVICE });
    guest.vm.load([msr('ELR_EL1', 2), msr('SPSR_EL1', 3), ERET]);
    expect(guest.run()).toBe(0);
    const [all, el0, el1, none] = [0, 1, 2, 3].map(
      (n) => guest.reg(`PMEVCNTR${n}_EL0` as SysregName) as bigint,
    );
    expect([all, el0, el1, none]).toEqual([11n, 8n, 3n, 0n]);
  });

  test('goes on under single step', () => {
    const guest = ready().count([0x08n]);
    guest.vm.load(nops(20));
    guest.vm.process.call(guest.fd, KVM_SET_GUEST_DEBUG, kvmGuestDebug, {
      control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
    });
    for (let steps = 0; steps < 5; steps++) guest.run();
    expect(guest.reg('PMEVCNTR0_EL0')).toBe(5n);
  });

  test('of software increments, where the event is chosen', () => {
    const guest = ready().count([0x00n, 0x08n, 0x00n]);
    guest.setX({ 2: 0b011 });
    guest.call([msr('PMSWINC_EL0', 2), msr('PMSWINC_EL0', 2)]);
    expect(guest.reg('PMEVCNTR0_EL0')).toBe(2n);
    expect(guest.reg('PMEVCNTR2_EL0')).toBe(0n);
  });

  test('is denied by a filter, and the event is not announced', () => {
    const guest = withPmu();
    expect(guest.filter(0x08, KVM_PMU_EVENT_DENY)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
    guest.count([0x08n, 0x11n]).call([mrs(2, 'PMCEID0_EL0'), ...nops(5)]);
    expect(guest.x(2)).toBe(0x4002_0001n);
    expect(guest.reg('PMEVCNTR0_EL0')).toBe(0n);
    expect(guest.reg('PMEVCNTR1_EL0')).not.toBe(0n);
  });

  test('of a filter that allows counts nothing else', () => {
    const guest = withPmu();
    expect(guest.filter(0x08, KVM_PMU_EVENT_ALLOW)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
    guest.count([0x08n, 0x11n]).call([mrs(2, 'PMCEID0_EL0'), ...nops(5)]);
    expect(guest.x(2)).toBe(0x100n);
    expect(guest.reg('PMEVCNTR0_EL0')).not.toBe(0n);
    expect(guest.reg('PMEVCNTR1_EL0')).toBe(0n);
    expect(guest.reg('PMCCNTR_EL0')).toBe(0n);
  });
});

describe('an overflow', () => {
  test('sets its bit, and a chained counter counts it', () => {
    const guest = ready().count([0x08n, 0x1en]);
    guest.setReg('PMEVCNTR0_EL0', 0xffff_fffen);
    guest.setReg('PMEVCNTR1_EL0', 7n);
    guest.call(nops(10));
    expect(guest.reg('PMOVSSET_EL0')).toBe(1n);
    expect(guest.reg('PMEVCNTR1_EL0')).toBe(8n);
    guest.setX({ 2: 1 });
    guest.call([msr('PMOVSCLR_EL0', 2), mrs(3, 'PMOVSSET_EL0')]);
    expect(guest.x(3)).toBe(0n);
  });

  test('is of 64 bits with PMCR_EL0.LP, and always for the cycle counter', () => {
    const guest = ready().count([0x08n]);
    guest.control(E | LP);
    guest.setReg('PMEVCNTR0_EL0', 0xffff_fffen);
    guest.setReg('PMCCNTR_EL0', 0xffff_fffen);
    guest.call(nops(10));
    expect(guest.reg('PMOVSSET_EL0')).toBe(0n);
    expect(guest.reg('PMEVCNTR0_EL0')).toBeGreaterThan(0xffff_ffffn);
    guest.setReg('PMCCNTR_EL0', 0xffff_ffff_ffff_fffen);
    guest.call(nops(10));
    expect(guest.reg('PMOVSSET_EL0')).toBe(CYCLES);
  });

  test('of a counter of 32 bits wraps it where the PMU is an older one', () => {
    const guest = ready({ profile: 'linux-6.1' }).count([0x08n]);
    guest.setReg('PMEVCNTR0_EL0', 0xffff_ffffn);
    guest.call(nops(10));
    expect(guest.reg('PMEVCNTR0_EL0')).toBeLessThan(20n);
    expect(guest.reg('PMOVSSET_EL0')).toBe(1n);
  });

  /** Counts to an overflow in a loop that does nothing else, IRQs unmasked. */
  function overflowSoon(guest: Guest): void {
    guest.count([0x08n]);
    guest.setReg('PMINTENSET_EL1', 1n);
    guest.setReg('PMEVCNTR0_EL0', 0xffff_ffffn - 5000n);
    guest.vm.load([UNMASK_IRQ, STAY]);
  }

  test('raises the PPI, and the guest takes it in time', () => {
    const guest = ready({ gic: true, slice: 1_000_000 });
    overflowSoon(guest);
    const handler = [
      mrs(1, 'ICC_IAR1_EL1'),
      mrs(3, 'PMEVCNTR0_EL0'),
      mrs(4, 'PMOVSCLR_EL0'),
      msr('PMOVSCLR_EL0', 4),
      msr('ICC_EOIR1_EL1', 1),
      mrs(5, 'ICC_HPPIR1_EL1'),
      STORE,
    ];
    guest.vm.load(handler, 0x1280);
    guest.setReg('VBAR_EL1', BigInt(RAM + 0x1000));
    // Groups and the interrupt on, as Linux does.
    guest.vm.load([
      0xb900_0022, // str w2, [x1]: GICD_CTLR
      0xb900_0064, // str w4, [x3]: GICR_IGROUPR0
      0xb901_0064, // str w4, [x3, #0x100]: GICR_ISENABLER0
      msr('ICC_PMR_EL1', 5),
      msr('ICC_IGRPEN1_EL1', 6),
      UNMASK_IRQ,
      STAY,
    ]);
    guest.setX({ 1: GICD, 2: 0x12, 3: GICR + 0x1_0000, 4: 0xffff_ffff, 5: 0xf0, 6: 1, 20: DEVICE });
    expect(guest.run()).toBe(0);
    expect(guest.exitReason).toBe(KVM_EXIT_MMIO);
    expect(guest.x(1)).toBe(BigInt(PPI));
    expect(guest.x(4)).toBe(1n);
    expect(guest.x(3)).toBeLessThan(0x1_0000_0000n + 20n);
    // Nothing is pending after it.
    expect(guest.x(5)).toBe(1023n);
  });

  test('is told to an interrupt controller in user space, and its end', () => {
    const guest = ready({ slice: 1_000_000 });
    guest.vm.load([msr('PMOVSCLR_EL0', 2), STAY], 0x200);
    overflowSoon(guest);
    expect(guest.run()).toBe('EINTR');
    expect(guest.exitReason).toBe(KVM_EXIT_INTR);
    expect(guest.exit(kvmRunSyncRegs).device_irq_level).toBe(BigInt(KVM_ARM_DEV_PMU));
    guest.setX({ 2: 1 });
    guest.set(KVM_REG_PC, BigInt(RAM + 0x200));
    expect(guest.run()).toBe('EINTR');
    expect(guest.exit(kvmRunSyncRegs).device_irq_level).toBe(0n);
    expect(guest.get(KVM_REG_PC)).toBe(BigInt(RAM + 0x204));
  });
});

describe('access from EL0', () => {
  /** Executes one instruction at EL0. @returns class of the exception that ends it */
  function atEl0(guest: Guest, userEnable: bigint, word: number): bigint {
    guest.setReg('PMUSERENR_EL0', userEnable);
    guest.vm.load([word, SVC], 0x800);
    guest.setX({ 2: RAM + 0x800, 3: 0x3c0 });
    guest.call([msr('ELR_EL1', 2), msr('SPSR_EL1', 3), ERET]);
    return (guest.reg('ESR_EL1') as bigint) >> 26n;
  }
  const UNDEFINED = 0n;
  const SUPERVISOR_CALL = 0x15n;

  test.each([
    ['PMCCNTR_EL0', mrs(0, 'PMCCNTR_EL0'), [1n, 4n], [0n, 2n, 8n]],
    ['PMEVCNTR0_EL0', mrs(0, 'PMEVCNTR0_EL0'), [1n, 8n], [0n, 2n, 4n]],
    ['PMSWINC_EL0', msr('PMSWINC_EL0', 0), [1n, 2n], [0n, 4n, 8n]],
    ['PMCCNTR_EL0, to write it', msr('PMCCNTR_EL0', 0), [1n], [0n, 4n]],
    ['PMCR_EL0', mrs(0, 'PMCR_EL0'), [1n], [0n, 14n]],
    ['PMUSERENR_EL0', mrs(0, 'PMUSERENR_EL0'), [0n, 15n], []],
    ['PMUSERENR_EL0, to write it', msr('PMUSERENR_EL0', 0), [], [0n, 15n]],
    ['PMINTENSET_EL1', mrs(0, 'PMINTENSET_EL1'), [], [0n, 15n]],
  ])('%s is as PMUSERENR_EL0 says', (_, word, open, closed) => {
    const guest = ready().count([0x08n]);
    guest.setReg('VBAR_EL1', BigInt(RAM + 0x1000));
    guest.vm.load([STORE, STAY], 0x1400);
    expect(open.map((enable) => atEl0(guest, enable, word))).toEqual(open.map(() => SUPERVISOR_CALL));
    expect(closed.map((enable) => atEl0(guest, enable, word))).toEqual(closed.map(() => UNDEFINED));
  });
});

describe('PMCR_EL0 and the counters that there are', () => {
  test('N is the VM’s, and falls as user space writes it before the first run', () => {
    const guest = ready();
    expect(guest.reg('PMCR_EL0')).toBe(0x3040n);
    expect(guest.setReg('PMCR_EL0', 0x1000n)).toBe(0);
    expect(guest.reg('PMCR_EL0')).toBe(0x1040n);
    expect(guest.setReg('PMCR_EL0', 0x3800n)).toBe(0);
    expect(guest.reg('PMCR_EL0')).toBe(0x1040n);
    guest.setX({ 2: -1n & 0xffff_ffffn });
    guest.call([msr('PMCNTENSET_EL0', 2), mrs(3, 'PMCNTENSET_EL0'), mrs(4, 'PMCR_EL0')]);
    expect([guest.x(3), guest.x(4)]).toEqual([0x8000_0003n, 0x1040n]);
    expect(guest.setReg('PMCR_EL0', 0x3000n)).toBe(0);
    expect(guest.reg('PMCR_EL0')).toBe(0x1040n);
  });

  test('N was the vCPU’s, and as user space had it', () => {
    const guest = ready({ profile: 'linux-6.1' });
    expect(guest.reg('PMCR_EL0')).toBe(0x30ecn);
    guest.setReg('PMCR_EL0', 0x4101_f800n);
    guest.call([mrs(2, 'PMEVCNTR30_EL0'), mrs(3, 'PMCR_EL0')]);
    expect([guest.x(2), guest.x(3)]).toEqual([0xdbad_c0den, 0x4101_f800n]);
  });

  test('an attribute sets it from 7.3 on', () => {
    const guest = withPmu();
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS, 7)).toBe('EINVAL');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS, 0)).toBe(0);
    expect(guest.reg('PMCR_EL0')).toBe(0x40n);
    expect(guest.init(PMU)).toBe(0);
    expect(guest.reg('PMCNTENSET_EL0')).toBe(CYCLES);
    expect(withPmu({ profile: 'linux-6.12' }).setPmu(KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS, 2)).toBe('ENXIO');
  });

  test('a counter that is not there is UNDEFINED, by name and as selected', () => {
    for (const name of ['PMEVCNTR6_EL0', 'PMEVTYPER30_EL0', 'PMXEVCNTR_EL0', 'PMXEVTYPER_EL0'] as const) {
      const guest = ready();
      guest.setReg('VBAR_EL1', BigInt(RAM + 0x1000));
      guest.vm.load([STORE, STAY], 0x1200);
      guest.setX({ 2: 6 });
      guest.call([msr('PMSELR_EL0', 2), mrs(3, name), NOP]);
      expect(guest.reg('ESR_EL1')).toBe(0x200_0000n);
    }
  });

  test('PMSELR_EL0 selects one, or the cycle counter', () => {
    const guest = ready().count([0x08n, 0x11n]);
    guest.setReg('PMCCFILTR_EL0', NOT_EL0);
    guest.setX({ 2: 1, 3: 31, 4: 0x1_0011 });
    guest.call([
      msr('PMSELR_EL0', 2),
      mrs(5, 'PMXEVTYPER_EL0'),
      msr('PMXEVTYPER_EL0', 4),
      msr('PMSELR_EL0', 3),
      mrs(6, 'PMXEVTYPER_EL0'),
      msr('PMXEVCNTR_EL0', 31),
      mrs(7, 'PMCCNTR_EL0'),
    ]);
    expect([guest.x(5), guest.reg('PMEVTYPER1_EL0'), guest.x(6)]).toEqual([0x11n, 0x11n, NOT_EL0]);
    expect(guest.x(7)).toBeLessThan(4n);
  });

  test('P and C reset the counters, and read as zero', () => {
    const guest = ready().count([0x08n]);
    guest.setReg('PMEVCNTR0_EL0', 1000n);
    guest.setReg('PMCCNTR_EL0', 1000n);
    guest.setX({ 2: 0b110 });
    guest.call([msr('PMCR_EL0', 2), mrs(3, 'PMCR_EL0')]);
    expect([guest.x(3), guest.reg('PMEVCNTR0_EL0'), guest.reg('PMCCNTR_EL0')]).toEqual([0x3040n, 0n, 0n]);
  });

  test('user space sets and clears by SET and CLR in 6.12; later each brings all bits', () => {
    const after = (profile: ProfileName): readonly (bigint | string)[] => {
      const guest = ready({ profile }).count([]);
      guest.setReg('PMCNTENCLR_EL0', 0xffff_ffffn);
      guest.setReg('PMCNTENSET_EL0', 0b0011n);
      guest.setReg('PMCNTENSET_EL0', 0b0100n);
      guest.setReg('PMCNTENCLR_EL0', 0b0001n);
      return [guest.reg('PMCNTENSET_EL0'), guest.reg('PMCNTENCLR_EL0')];
    };
    expect(after('linux-6.1')).toEqual([0b0001n, 0b0001n]);
    expect(after('linux-6.12')).toEqual([0b0110n, 0b0110n]);
    expect(after('linux-7.3')).toEqual([0b0001n, 0b0001n]);
  });
});

describe('PMUVer', () => {
  const versionOf = (guest: Guest): bigint => ((guest.reg('ID_AA64DFR0_EL1') as bigint) >> 8n) & 15n;

  test.each([
    ['linux-5.10', 4n],
    ['linux-6.1', 5n],
    ['linux-6.12', 6n],
    ['linux-7.3', 6n],
  ] as const)('is what KVM of %s lets through, and 0 without the feature', (profile, version) => {
    expect(versionOf(withPmu({ profile }))).toBe(version);
    expect(versionOf(withPmu({ profile }, PSCI_0_2))).toBe(0n);
  });

  test('can be lowered, which takes bits from counters and event numbers', () => {
    const guest = ready();
    const id = guest.reg('ID_AA64DFR0_EL1') as bigint;
    expect(guest.setReg('ID_AA64DFR0_EL1', id + 0x100n)).toBe('EINVAL');
    expect(guest.setReg('ID_AA64DFR0_EL1', id - 1n)).toBe('EINVAL');
    expect(guest.setReg('ID_AA64DFR0_EL1', (id & ~0xf00n) | 0x100n)).toBe(0);
    guest.count([0x08n]);
    guest.setReg('PMEVCNTR0_EL0', 0xffff_ffffn);
    guest.setX({ 2: 0xffff_ffff });
    guest.call([msr('PMEVTYPER1_EL0', 2), mrs(3, 'PMEVTYPER1_EL0'), mrs(4, 'ID_AA64DFR0_EL1')]);
    expect([guest.x(3), guest.x(4)]).toEqual([0xc800_03ffn, 0x1030_5106n]);
    expect(guest.reg('PMEVCNTR0_EL0')).toBeLessThan(20n);
  });

  test('of another kind is none', () => {
    const guest = withPmu();
    expect(guest.setReg('ID_AA64DFR0_EL1', (guest.reg('ID_AA64DFR0_EL1') as bigint) | 0xf00n)).toBe(0);
    expect(versionOf(guest)).toBe(0n);
  });
});

describe('the attributes', () => {
  test('are those of the profile, and need the feature', () => {
    const attrs = [0, 1, 2, 3, 4, 5];
    const has = (guest: Guest): boolean[] => attrs.map((attr) => guest.pmu(KVM_HAS_DEVICE_ATTR, attr) === 0);
    expect(has(withPmu({ profile: 'linux-5.10' }))).toEqual([true, true, true, false, false, false]);
    expect(has(withPmu({ profile: 'linux-6.1' }))).toEqual([true, true, true, true, false, false]);
    expect(has(withPmu())).toEqual([true, true, true, true, true, false]);
    const without = withPmu({ gic: true }, PSCI_0_2);
    expect(attrs.map((attr) => without.pmu(KVM_HAS_DEVICE_ATTR, attr))).toEqual(attrs.map(() => 'ENXIO'));
    expect(attrs.map((attr) => without.setPmu(attr))).toEqual(attrs.map(() => 'ENODEV'));
    expect(without.pmu(KVM_GET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_IRQ)).toBe('ENODEV');
    expect(withPmu({}, PSCI_0_2).pmu(KVM_GET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_IRQ)).toBe('EINVAL');
    expect(without.pmu(KVM_GET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_INIT)).toBe('ENXIO');
  });

  test('the interrupt is a PPI or an SPI, once, before the PMU is ready', () => {
    const guest = withPmu({ gic: true });
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe('ENXIO');
    for (const intid of [0, 15, 1020, -1])
      expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, intid)).toBe('EINVAL');
    expect(guest.pmu(KVM_GET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_IRQ)).toBe('ENXIO');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, PPI)).toBe(0);
    expect(guest.pmu(KVM_GET_DEVICE_ATTR, KVM_ARM_VCPU_PMU_V3_IRQ)).toBe(0);
    expect(guest.vm.process.data.getUint32(guest.vm.process.arg + 512, true)).toBe(PPI);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, 24)).toBe('EINVAL');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, PPI)).toBe('EBUSY');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe('EBUSY');
    expect(withPmu().setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, PPI)).toBe('EINVAL');
  });

  test('an interrupt of a timer makes the first run fail', () => {
    const guest = withPmu({ gic: true });
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, 27)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
    expect(guest.run()).toBe('EINVAL');
  });

  test('a run that fails for the PMU leaves the timers their interrupts', () => {
    const guest = withPmu({ gic: true });
    expect(guest.run()).toBe('EINVAL');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_IRQ, 30)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe('EEXIST');
  });

  test('the filter is checked, and closed by the first run', () => {
    const guest = withPmu();
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_FILTER, [0xff, 0xff, 2, 0, 0, 0, 0, 0])).toBe('EINVAL');
    expect(guest.filter(8, 2)).toBe('EINVAL');
    expect(guest.filter(8, KVM_PMU_EVENT_DENY)).toBe(0);
    guest.vm.load([STAY]);
    const other = new Guest(guest.vm, 1);
    expect(other.init(PMU)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
    expect(guest.run()).toBe('EINTR');
    expect(other.filter(8, KVM_PMU_EVENT_DENY)).toBe('EBUSY');
    expect(other.setPmu(KVM_ARM_VCPU_PMU_V3_SET_PMU, VKVM_PMU_TYPE)).toBe('EBUSY');
    expect(other.setPmu(KVM_ARM_VCPU_PMU_V3_SET_PMU, 1)).toBe('ENXIO');
  });

  test('without KVM_ARM_VCPU_PMU_V3_INIT a vCPU does not run; on 5.10 its registers read as zero', () => {
    for (const profile of ['linux-6.1', 'linux-6.12', 'linux-7.3'] as const) {
      expect(withPmu({ profile }).run()).toBe('EINVAL');
    }
    const guest = withPmu({ profile: 'linux-5.10' });
    guest.setX({ 2: 5 });
    guest.call([msr('PMCR_EL0', 2), mrs(2, 'PMCR_EL0'), mrs(3, 'PMCEID0_EL0')]);
    expect([guest.x(2), guest.x(3)]).toEqual([0n, 0n]);
  });
});

describe('KVM_ARM_VCPU_PMU_V3_STRICT', () => {
  test('needs the PMU, and that user space chooses which', () => {
    expect(new Guest(new TestVm(new TestProcess())).init(PSCI_0_2 | STRICT)).toBe('EINVAL');
    const guest = withPmu({}, PMU | STRICT);
    expect(guest.reg('PMCR_EL0')).toBe(0x40n);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS, 1)).toBe('EINVAL');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe('ENXIO');
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_SET_PMU, VKVM_PMU_TYPE)).toBe(0);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS, 4)).toBe(0);
    expect(guest.setReg('PMCR_EL0', 0x1000n)).toBe(0);
    expect(guest.reg('PMCR_EL0')).toBe(0x2040n);
    expect(guest.setPmu(KVM_ARM_VCPU_PMU_V3_INIT)).toBe(0);
  });

  test('is not known before', () => {
    const vm = new TestVm(new TestProcess({ profile: 'linux-6.12' }));
    expect(new Guest(vm).init(PMU | STRICT)).toBe('ENOENT');
  });
});
