/** KVM_RUN: exits, their completion, and who ends a run. The protocol is that of Linux 7.3 on arm64. */
import {
  CORE_REGS,
  KVM_CAP_ARM_NISV_TO_USER,
  KVM_CAP_ARM_SYSTEM_SUSPEND,
  KVM_EXIT_ARM_NISV,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_INTR,
  KVM_EXIT_MMIO,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_EXIT_UNKNOWN,
  KVM_GET_MP_STATE,
  KVM_IRQ_LINE,
  KVM_MEM_READONLY,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  KVM_REG_ELR_EL1,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_GET_VCPU_EVENTS,
  KVM_SET_MP_STATE,
  KVM_SET_VCPU_EVENTS,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  KVM_SYSTEM_EVENT_WAKEUP,
  SYSREGS,
  VKVM_EXIT_IDLE,
  VKVM_IDLE_STOPPED,
  VKVM_IDLE_WFI,
  coreId,
  encodeIrq,
  kvmIrqLevel,
  kvmMpState,
  kvmRun,
  kvmRunArmNisv,
  kvmRunMmio,
  kvmRunSystemEvent,
  kvmVcpuEvents,
  sysregId,
  vkvmRunIdle,
  xRegId,
} from '@vkvm/uapi';
import type { ProfileName, Values } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { DEVICE, POWER_OFF, PSCI_0_2, RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';
import type { MachineOptions } from './machine.ts';

const X20 = xRegId(20);
const VBAR = sysregId(SYSREGS.VBAR_EL1);
const ESR = sysregId(SYSREGS.ESR_EL1);
const FAR = sysregId(SYSREGS.FAR_EL1);
const STAY = 0x1400_0000; // b .
const WFI = 0xd503_207f;
const HVC = 0xd400_0002;
const UNMASK_IRQ = 0xd503_42ff; // msr daifclr, #2

/** Turns the MMU on, with a level 1 table of blocks of 1 GiB at RAM + 64 KiB; then PSCI CPU_OFF. */
const MMU_ON_AND_CPU_OFF = [
  0xd280_0320, // mov  x0, #25                  T0SZ
  0xf2a0_1000, // movk x0, #0x80, lsl #16       EPD1
  0xd518_2040, // msr  tcr_el1, x0
  0xd280_1fe0, // mov  x0, #0xff
  0xd518_a200, // msr  mair_el1, x0
  0xd2a8_0020, // mov  x0, #0x40010000
  0xd518_2000, // msr  ttbr0_el1, x0
  0xd503_3fdf, // isb
  0xd538_1000, // mrs  x0, sctlr_el1
  0xb240_0000, // orr  x0, x0, #1
  0xd518_1000, // msr  sctlr_el1, x0
  0xd503_3fdf, // isb
  0x52b0_8000, // mov  w0, #0x84000000
  0x7280_0040, // movk w0, #2
  0xd400_0002, // hvc  #0
];

/** A vCPU about to execute the words, x20 pointing to no memory. @param slice - instructions; 0 = KVM_RUN may wait */
function guest(words: readonly number[], options: MachineOptions & { slice?: number } = {}): TestVcpu {
  const vm = new TestVm(new TestProcess(options));
  vm.load(words);
  vm.slice(options.slice ?? 100_000);
  const vcpu = new TestVcpu(vm).start();
  vcpu.set(X20, BigInt(DEVICE));
  return vcpu;
}

const signed = 0xffff_ffff_ffff_ff80n;

describe('an MMIO exit', () => {
  test.each([
    ['ldrsb x1', 0x3980_0281, 1, [0x80], 1, signed],
    ['ldrsh w2', 0x79c0_0282, 2, [0x01, 0x80], 2, 0xffff_8001n],
    ['ldrsw x3', 0xb980_0283, 4, [0, 0, 0, 0x80], 3, 0xffff_ffff_8000_0000n],
    ['ldr x4', 0xf940_0284, 8, [1, 2, 3, 4, 5, 6, 7, 8], 4, 0x0807_0605_0403_0201n],
  ])('%s: asks for the bytes and loads them on the next run', (_, word, length, data, register, value) => {
    const vcpu = guest([word, STAY]);
    expect(vcpu.run()).toBe(0);
    const mmio = vcpu.exit(kvmRunMmio);
    expect([vcpu.exitReason, mmio.phys_addr, mmio.len, mmio.is_write]).toEqual([
      KVM_EXIT_MMIO,
      DEVICE,
      length,
      0,
    ]);
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM));
    mmio.data.set(data);
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(xRegId(register))).toBe(value);
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('a load to XZR is made, and lost', () => {
    const vcpu = guest([0xb940_029f, STAY]);
    vcpu.run();
    vcpu.exit(kvmRunMmio).data.set([1, 2, 3, 4]);
    vcpu.run();
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('a store brings its bytes, and is stepped over on the next run', () => {
    const vcpu = guest([0x3900_0685, STAY]);
    vcpu.set(xRegId(5), 0x1234n);
    expect(vcpu.run()).toBe(0);
    const { phys_addr, len, is_write, data } = vcpu.exit(kvmRunMmio);
    expect([phys_addr, len, is_write, data[0]]).toEqual([DEVICE + 1, 1, 1, 0x34]);
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM));
    vcpu.run();
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('immediate_exit completes it and changes nothing else', () => {
    const vcpu = guest([0xf940_0284, STAY]);
    vcpu.run();
    vcpu.exit(kvmRunMmio).data.set([9]);
    const run = vcpu.exit(kvmRun);
    run.immediate_exit = 1;
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.exitReason).toBe(KVM_EXIT_MMIO);
    expect(vcpu.get(xRegId(4))).toBe(9n);
    // Once only.
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('is executed again if user space has overwritten the reason', () => {
    const vcpu = guest([0xf940_0284, STAY]);
    vcpu.run();
    vcpu.exit(kvmRun).exit_reason = KVM_EXIT_UNKNOWN;
    expect(vcpu.run()).toBe(0);
    expect([vcpu.exitReason, vcpu.get(KVM_REG_PC)]).toEqual([KVM_EXIT_MMIO, BigInt(RAM)]);
  });

  test('is not completed after an external abort in its place', () => {
    const vcpu = guest([0xf940_0284, STAY]);
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.run();
    const { process } = vcpu.vm;
    expect(process.call(vcpu.fd, KVM_SET_VCPU_EVENTS, kvmVcpuEvents, { ext_dabt_pending: 1 })).toBe(0);
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 0x1200));
    expect([vcpu.get(ESR), vcpu.get(FAR), vcpu.get(KVM_REG_ELR_EL1)]).toEqual([
      0x9600_0010n,
      BigInt(DEVICE),
      BigInt(RAM),
    ]);
  });

  test('without a syndrome is ENOSYS, or an exit if user space asked for it', () => {
    const vcpu = guest([0xf840_8681, STAY]); // ldr x1, [x20], #8
    expect(vcpu.run()).toBe('ENOSYS');
    expect(vcpu.exitReason).toBe(KVM_EXIT_UNKNOWN);
    vcpu.vm.enableCap(KVM_CAP_ARM_NISV_TO_USER);
    expect(vcpu.run()).toBe(0);
    expect(vcpu.exitReason).toBe(KVM_EXIT_ARM_NISV);
    expect(vcpu.exit(kvmRunArmNisv).fault_ipa).toBe(DEVICE);
    expect([vcpu.get(KVM_REG_PC), vcpu.get(X20)]).toEqual([BigInt(RAM), BigInt(DEVICE)]);
  });
});

describe('memory that is not there', () => {
  test('a memslot without user memory is EFAULT', () => {
    const vcpu = guest([0xf940_0284, STAY]);
    expect(vcpu.vm.setMemory(1, DEVICE, 0x1000, 0x1_0000)).toBe(0);
    expect(vcpu.run()).toBe('EFAULT');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM));
  });

  test('a memslot whose user memory is read-only can be read; a store is EFAULT', () => {
    const vcpu = guest([0xf940_0284, 0x3900_0685, STAY]);
    const { vm } = vcpu;
    expect(vm.setMemory(1, DEVICE, 0x1000, vm.process.mapMemory(0x1000, 1))).toBe(0);
    expect(vcpu.run()).toBe('EFAULT');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('a store to a read-only memslot is an exit', () => {
    const vcpu = guest([0xf940_0284, 0x3900_0685, STAY]);
    const { vm } = vcpu;
    vm.setMemory(1, DEVICE, 0x1000, vm.process.mapMemory(0x1000), KVM_MEM_READONLY);
    expect(vcpu.run()).toBe(0);
    expect([vcpu.exitReason, vcpu.exit(kvmRunMmio).is_write]).toEqual([KVM_EXIT_MMIO, 1]);
  });

  test('beyond the addresses of the VM is an external abort', () => {
    const vcpu = guest([0xf940_0284, STAY]);
    vcpu.set(X20, 1n << 41n);
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.vm.load([STAY], 0x1200);
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.get(KVM_REG_PC), vcpu.get(ESR)]).toEqual([BigInt(RAM + 0x1200), 0x9600_0010n]);
  });
});

describe('what ends a run', () => {
  test('the budget of a slice', () => {
    const vcpu = guest([STAY]);
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.exitReason).toBe(KVM_EXIT_INTR);
  });

  test('a vector that faults does not outlast its slice', () => {
    const vcpu = guest([0]);
    vcpu.set(VBAR, 0n);
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(ESR)).toBe(0x8600_0010n);
  });

  test('a kick, also one that came before', () => {
    const vcpu = guest([0xf940_0284, STAY], { slice: 0 });
    vcpu.kick();
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.exitReason).toBe(KVM_EXIT_INTR);
    expect(vcpu.run()).toBe(0);
  });

  test('a wait, on a thread that may not: EDEADLK', () => {
    const vcpu = guest([WFI, STAY], { slice: 0, host: { wait: () => false } });
    expect(vcpu.run()).toBe('EDEADLK');
  });

  test('a wait, by somebody who kicks meanwhile', () => {
    let kick = (): void => undefined;
    const vcpu = guest([WFI, STAY], {
      slice: 0,
      host: {
        wait: () => {
          kick();
          return true;
        },
      },
    });
    kick = () => vcpu.kick();
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('a wait, under a slice: an idle exit', () => {
    const vcpu = guest([WFI, STAY]);
    expect(vcpu.run()).toBe(0);
    expect(vcpu.exitReason).toBe(VKVM_EXIT_IDLE);
    const { why, deadline_ns } = vcpu.exit(vkvmRunIdle);
    expect([why, deadline_ns]).toEqual([VKVM_IDLE_WFI, 0xffff_ffff_ffff_ffffn]);
    // And again, until there is something to do.
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, VKVM_EXIT_IDLE]);
    raise(vcpu, 1);
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 4));
  });

  test('a vCPU that is powered off waits', () => {
    const vcpu = guest([STAY]);
    vcpu.init(PSCI_0_2 | POWER_OFF);
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, VKVM_EXIT_IDLE]);
    expect(vcpu.exit(vkvmRunIdle).why).toBe(VKVM_IDLE_STOPPED);
  });

  test('SYSTEM_OFF is a system event, and stops the vCPU', () => {
    const vcpu = guest([HVC, STAY]);
    vcpu.set(xRegId(0), 0x8400_0008n);
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_SYSTEM_EVENT]);
    const { type, ndata, data } = vcpu.exit(kvmRunSystemEvent);
    expect([type, ndata, data[0]]).toEqual([KVM_SYSTEM_EVENT_SHUTDOWN, 1, 0n]);
    const { process } = vcpu.vm;
    process.ioctl(vcpu.fd, KVM_GET_MP_STATE, process.arg);
    expect(kvmMpState.read(process.memory, process.arg).mp_state).toBe(KVM_MP_STATE_STOPPED);
  });

  test('an interrupt wakes a suspended vCPU, which stays suspended', () => {
    const vcpu = guest([STAY]);
    const { vm } = vcpu;
    vm.enableCap(KVM_CAP_ARM_SYSTEM_SUSPEND);
    vm.process.call(vcpu.fd, KVM_SET_MP_STATE, kvmMpState, { mp_state: KVM_MP_STATE_SUSPENDED });
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, VKVM_EXIT_IDLE]);
    raise(vcpu, 1);
    for (let round = 0; round < 2; round++) {
      expect([vcpu.run(), vcpu.exitReason]).toEqual([0, KVM_EXIT_SYSTEM_EVENT]);
      expect(vcpu.exit(kvmRunSystemEvent).type).toBe(KVM_SYSTEM_EVENT_WAKEUP);
      expect(vcpu.exit(kvmRunSystemEvent).ndata).toBe(0);
    }
  });

  test('our own mistake: EIO, an internal error, and a report', () => {
    const reports: string[] = [];
    const vcpu = guest([STAY], {
      host: { report: (message) => void reports.push(message) },
      createEngine: () => {
        throw new TypeError('on purpose');
      },
    });
    expect(vcpu.run()).toBe('EIO');
    expect(vcpu.exitReason).toBe(KVM_EXIT_INTERNAL_ERROR);
    expect(reports[0]).toContain('on purpose');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM));
  });
});

/** Drives the vCPU's own IRQ input. */
function raise(vcpu: TestVcpu, level: number): number | string {
  const { process, fd } = vcpu.vm;
  return process.call(fd, KVM_IRQ_LINE, kvmIrqLevel, { irq: encodeIrq(0, 0, 0), level });
}

describe('exceptions', () => {
  test('an interrupt that is masked waits for its unmasking', () => {
    const vcpu = guest([UNMASK_IRQ, STAY]);
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.vm.load([STAY], 0x1280);
    raise(vcpu, 1);
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.get(KVM_REG_PC), vcpu.get(KVM_REG_ELR_EL1)]).toEqual([
      BigInt(RAM + 0x1280),
      BigInt(RAM + 4),
    ]);
    expect(vcpu.get(KVM_REG_PSTATE)).toBe(0x3c5n);
  });

  test('EL0 is entered by ERET and left by SVC, each with its own stack pointer', () => {
    const vcpu = guest([0xd518_4035, 0xd518_4016, 0xd69f_03e0]); // msr elr_el1,x21; msr spsr_el1,x22; eret
    vcpu.vm.load([0xd400_00e1, STAY], 0x800); // svc #7
    vcpu.vm.load([STAY], 0x1400);
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.set(xRegId(21), BigInt(RAM + 0x800));
    vcpu.set(xRegId(22), 0x6000_0000n);
    vcpu.set(coreId(CORE_REGS.SP_EL0), 0x111n);
    vcpu.set(coreId(CORE_REGS.SP_EL1), 0x222n);
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(RAM + 0x1400));
    expect(vcpu.get(ESR)).toBe(0x5600_0007n);
    expect(vcpu.get(coreId(CORE_REGS.SPSR_EL1))).toBe(0x6000_0000n);
    expect(vcpu.get(KVM_REG_ELR_EL1)).toBe(BigInt(RAM + 0x804));
    expect(vcpu.get(coreId(CORE_REGS.SP_EL0))).toBe(0x111n);
    expect(vcpu.get(coreId(CORE_REGS.SP_EL1))).toBe(0x222n);
  });

  test('an illegal return stays where it is and ends in an illegal state', () => {
    const vcpu = guest([0xd518_4035, 0xd518_4016, 0xd69f_03e0]);
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.vm.load([STAY], 0x1200);
    vcpu.set(xRegId(21), BigInt(RAM + 0x800));
    vcpu.set(xRegId(22), 0x9n); // EL2h
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.get(KVM_REG_PC), vcpu.get(ESR)]).toEqual([BigInt(RAM + 0x1200), 0x3a00_0000n]);
    expect(vcpu.get(KVM_REG_ELR_EL1)).toBe(BigInt(RAM + 0x800));
  });

  test('a word that is no instruction is undefined, and reported once', () => {
    const reports: string[] = [];
    const vcpu = guest([0xd538_f000, STAY], { host: { report: (message) => void reports.push(message) } });
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.vm.load([0xd69f_03e0], 0x1200); // eret: the same word again
    expect(vcpu.run()).toBe('EINTR');
    expect(vcpu.get(ESR)).toBe(0x200_0000n);
    expect(reports).toEqual([
      'unimplemented instruction 0xd538f000 at 0x40000000, class branches, exceptions and system',
    ]);
  });
});

describe('EL0 with the MMU on', () => {
  /** RAM as one read-only block of both levels, at its own address. @param tcr - bits besides size and granule */
  function user(tcr: bigint): TestVcpu {
    const vcpu = guest([STAY]);
    const { ram, process } = vcpu.vm;
    const TABLE = 0x1_0000;
    const BLOCK = BigInt(RAM) | (1n << 10n) | (3n << 6n) | 1n; // AF, AP = read-only for both, block
    process.data.setBigUint64(ram + TABLE + 8, BLOCK, true);
    vcpu.vm.load([STAY], 0x1400);
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.set(sysregId(SYSREGS.MAIR_EL1), 0xffn);
    vcpu.set(sysregId(SYSREGS.TTBR0_EL1), BigInt(RAM + TABLE));
    vcpu.set(sysregId(SYSREGS.TCR_EL1), 25n | (2n << 32n) | tcr);
    vcpu.set(sysregId(SYSREGS.SCTLR_EL1), 0xc5_0079n);
    vcpu.set(KVM_REG_PSTATE, 0n);
    return vcpu;
  }

  test('executes what it may', () => {
    const vcpu = user(0n);
    expect([vcpu.run(), vcpu.get(KVM_REG_PC)]).toEqual(['EINTR', BigInt(RAM)]);
  });

  test('finds nothing in a half that TCR_EL1.E0PD0 keeps from it, while EL1 does', () => {
    const vcpu = user(1n << 55n);
    expect([vcpu.run(), vcpu.get(KVM_REG_PC)]).toEqual(['EINTR', BigInt(RAM + 0x1400)]);
    expect([vcpu.get(ESR), vcpu.get(FAR)]).toEqual([0x8200_0004n, BigInt(RAM)]);
  });
});

describe('a WFI while a timer is due whose level user space knows', () => {
  test.each([
    ['linux-5.10', KVM_EXIT_MMIO],
    ['linux-6.1', VKVM_EXIT_IDLE],
    ['linux-7.3', VKVM_EXIT_IDLE],
  ] as const)('waits since 5.19: %s', (profile, exit) => {
    // msr cntv_cval_el0, xzr; mov x3, #1; msr cntv_ctl_el0, x3; isb; wfi; str w1, [x20]
    const code = [0xd51b_e35f, 0xd280_0023, 0xd51b_e323, 0xd503_3fdf, 0xd503_207f, 0xb900_0281];
    const vcpu = guest([...code, STAY], { profile });
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.run(), vcpu.exitReason]).toEqual([0, exit]);
  });
});

describe('events that user space injects', () => {
  const inject = ({ vm: { process }, fd }: TestVcpu, events: Partial<Values<typeof kvmVcpuEvents.fields>>) =>
    process.call(fd, KVM_SET_VCPU_EVENTS, kvmVcpuEvents, events);
  /** A load from the device waits for its value; the vectors are in RAM. */
  const atLoad = (profile: ProfileName): TestVcpu => {
    const vcpu = guest([0xf940_0281, STAY], { profile }); // ldr x1, [x20]
    vcpu.set(VBAR, BigInt(RAM + 0x1000));
    vcpu.vm.load([STAY, STAY], 0x1200);
    vcpu.run();
    vcpu.exit(kvmRunMmio).data.set([0x55]);
    return vcpu;
  };

  test.each([
    ['linux-5.10', 0x55n, 0x1204],
    ['linux-6.1', 0n, 0x1200],
    ['linux-6.12', 0n, 0x1200],
    ['linux-7.3', 0n, 0x1200],
  ] as const)('an abort wins over an access, but on 5.10: %s', (profile, x1, pc) => {
    const vcpu = atLoad(profile);
    expect(inject(vcpu, { ext_dabt_pending: 1 })).toBe(0);
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.get(xRegId(1)), vcpu.get(KVM_REG_PC)]).toEqual([x1, BigInt(RAM + pc)]);
  });

  test.each([
    ['linux-5.10', RAM],
    ['linux-6.12', RAM],
    ['linux-7.3', RAM + 0x1200],
  ] as const)('a syndrome that cannot be keeps the abort back, until 6.17: %s', (profile, pc) => {
    const vcpu = atLoad(profile);
    const events = { ext_dabt_pending: 1, serror_pending: 1, serror_has_esr: 1, serror_esr: 1n << 25n };
    expect(inject(vcpu, events)).toBe('EINVAL');
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(pc));
  });

  test.each([
    ['linux-6.12', RAM, 1],
    ['linux-7.3', RAM + 0x1380, 0],
  ] as const)('an SError that is not masked is taken at once since 6.17: %s', (profile, pc, pending) => {
    const vcpu = atLoad(profile);
    const { process } = vcpu.vm;
    vcpu.set(KVM_REG_PSTATE, 0x2c5n);
    expect(inject(vcpu, { serror_pending: 1 })).toBe(0);
    expect(vcpu.get(KVM_REG_PC)).toBe(BigInt(pc));
    if (pending === 0)
      expect([vcpu.get(ESR), vcpu.get(KVM_REG_ELR_EL1)]).toEqual([0xbd00_0000n, BigInt(RAM)]);
    expect(process.ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, process.arg)).toBe(0);
    expect(kvmVcpuEvents.read(process.memory, process.arg).serror_pending).toBe(pending);
  });
});

describe('what EL1 alone can show', () => {
  test('an exception return opens the exclusive monitor', () => {
    // ldxr x2, [x1]; spsr_el1 = EL1h; elr_el1 = the stxr; eret; stxr w4, x2, [x1]
    const toStore = [0xc85f_7c22, 0xd280_78a5, 0xd518_4005, 0x1000_0063, 0xd518_4023, 0xd69f_03e0];
    const vcpu = guest([...toStore, 0xc804_7c22, STAY]);
    vcpu.set(xRegId(1), BigInt(RAM + 0x8000));
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.get(xRegId(4)), vcpu.get(KVM_REG_PC)]).toEqual([1n, BigInt(RAM + 0x1c)]);
  });

  test('ESB defers an SError that is masked: to DISR_EL1, with its syndrome', () => {
    // esb; mrs x6, disr_el1
    const vcpu = guest([0xd503_221f, 0xd538_c126, STAY]);
    const { process } = vcpu.vm;
    const events = { serror_pending: 1, serror_has_esr: 1, serror_esr: 0x12_3456n };
    expect(process.call(vcpu.fd, KVM_SET_VCPU_EVENTS, kvmVcpuEvents, events)).toBe(0);
    expect(vcpu.run()).toBe('EINTR');
    expect([vcpu.get(xRegId(6)), vcpu.get(KVM_REG_PC)]).toEqual([0x8012_3456n, BigInt(RAM + 8)]);
  });
});

test('a CPU that is turned on again begins with the MMU off, whatever it had been doing', () => {
  const vm = new TestVm(new TestProcess());
  vm.slice(100_000);
  const [first, second] = [new TestVcpu(vm, 0), new TestVcpu(vm, 1)];
  first.init();
  second.init(PSCI_0_2 | POWER_OFF);
  vm.load([HVC, STAY]);
  vm.load(MMU_ON_AND_CPU_OFF, 0x100);
  vm.process.data.setBigUint64(vm.ram + 0x1_0008, 0x4000_0701n, true); // 0x40000000 alone, as it is
  const OTHER = 0x8000_0000;
  const other = vm.process.mapMemory(0x1000);
  expect(vm.setMemory(1, OTHER, 0x1000, other)).toBe(0);
  [0x52b0_8000, 0x7280_0100, HVC].forEach((word, n) => vm.process.data.setUint32(other + 4 * n, word, true)); // SYSTEM_OFF
  const turnOn = (entry: number): void => {
    first.set(KVM_REG_PC, BigInt(RAM));
    [0xc400_0003n, 1n, BigInt(entry), 0n].forEach((value, n) => first.set(xRegId(n), value));
    expect(first.run()).toBe('EINTR');
    expect(first.get(xRegId(0))).toBe(0n);
  };
  turnOn(RAM + 0x100);
  expect(second.run()).toBe(0);
  expect(second.exitReason).toBe(VKVM_EXIT_IDLE);
  turnOn(OTHER);
  expect(second.run()).toBe(0);
  expect(second.exitReason).toBe(KVM_EXIT_SYSTEM_EVENT);
});
