import {
  KVM_ARM_VCPU_INIT,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_DIRTY_GFN_F_RESET,
  KVM_EXIT_DIRTY_RING_FULL,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_GET_DIRTY_LOG,
  KVM_GET_MP_STATE,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_RESET_DIRTY_RINGS,
  KVM_RUN,
  KVM_SET_ONE_REG,
  PAGE_SIZE,
  SYSREGS,
  VKVM_SECURE_GRANT_WRITE,
  VKVM_SECURE_LOAD,
  VKVM_SECURE_VCPU,
  kvmDirtyGfn,
  kvmDirtyLog,
  kvmOneReg,
  kvmRegList,
  kvmVcpuInit,
  regSize,
  sysregId,
  vkvmSecureGrant,
  vkvmSecureLoad,
  xRegId,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { readGuest } from './guest/guest.ts';
import { PSCI_0_2, RAM, TestProcess, TestVcpu, TestVm, prot } from './machine.ts';

const runtime = readGuest('secure-runtime');

const HVC = 0xd400_0002;
const SMC = 0xd400_0003;
/** movz w0, #0x8400, lsl #16; movk w0, #8; hvc #0: PSCI SYSTEM_OFF. */
const OFF = [0x52b0_8000, 0x7280_0100, HVC];
/** Where a call's results are kept while the guest turns itself off: mov x20, x0 … mov x23, x3. */
const KEEP = [0xaa00_03f4, 0xaa01_03f5, 0xaa02_03f6, 0xaa03_03f7];

/** The runtime's memory, as it sees it; also where the guest has nothing. */
const SECURE_RAM = 0x8000_0000;
const SECURE_SIZE = 2 * PAGE_SIZE;
const SIP = 0xc200_0000;
const MINUS_ONE = 2n ** 64n - 1n;

class SecureMachine {
  readonly process = new TestProcess();
  readonly vm = new TestVm(this.process);
  readonly vcpu: TestVcpu;
  readonly ram = this.process.mapMemory(SECURE_SIZE);

  /** @param ringSize - bytes of a dirty ring, 0 = none */
  constructor({ ringSize = 0 } = {}) {
    if (ringSize !== 0) {
      expect(this.vm.enableCap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL, BigInt(ringSize))).toBe(0);
    }
    this.vcpu = new TestVcpu(this.vm);
    runtime.words.forEach((word, n) => this.process.data.setUint32(this.ram + 4 * n, word, true));
  }

  load(change: Partial<ReturnType<typeof vkvmSecureLoad.read>> = {}): number | string {
    return this.process.call(this.vm.fd, VKVM_SECURE_LOAD, vkvmSecureLoad, {
      user_addr: this.ram,
      ram_gpa: SECURE_RAM,
      ram_len: SECURE_SIZE,
      entry: SECURE_RAM,
      budget: 10_000,
      base: SIP,
      count: 0x1_0000,
      ...change,
    });
  }

  /** Puts grants where the load finds them. */
  grants(...grants: { gpa: number; len: number; flags: number; reserved?: number }[]): object {
    const at = this.process.mapMemory(PAGE_SIZE);
    grants.forEach((grant, n) =>
      vkvmSecureGrant.write(this.process.memory, at + n * vkvmSecureGrant.size, grant),
    );
    return { grants: at, nr_grants: grants.length };
  }

  /** The registers of the runtime. */
  open(): RuntimeRegisters {
    return new RuntimeRegisters(this.process, this.process.ioctl(this.vm.fd, VKVM_SECURE_VCPU) as number);
  }

  /** Has the pages of RAM logged, or not any more. */
  log(flags: number): void {
    expect(this.vm.setMemory(0, RAM, 0x20_0000, this.vm.ram, flags)).toBe(0);
  }

  /** Numbers of the pages of RAM in the dirty log. */
  dirty(): number[] {
    const bitmap = this.process.mapMemory(PAGE_SIZE);
    const log = { slot: 0, dirty_bitmap: bitmap };
    expect(this.process.call(this.vm.fd, KVM_GET_DIRTY_LOG, kvmDirtyLog, log)).toBe(0);
    const bits = new Uint8Array(this.process.memory.buffer, bitmap, 64);
    return Array.from({ length: 512 }, (_, page) => page).filter(
      (page) => bits[page >> 3]! & (1 << (page & 7)),
    );
  }

  /** Makes one call from the guest. @returns x0 to x3 */
  call(id: number, x: readonly bigint[] = [], conduit = HVC): bigint[] {
    this.vm.load([conduit, ...KEEP, ...OFF]);
    this.vcpu.start();
    this.vcpu.set(xRegId(0), BigInt(id));
    x.forEach((value, n) => this.vcpu.set(xRegId(n + 1), value));
    expect(this.vcpu.run()).toBe(0);
    expect(this.vcpu.exitReason).toBe(KVM_EXIT_SYSTEM_EVENT);
    return [20, 21, 22, 23].map((n) => this.vcpu.get(xRegId(n)) as bigint);
  }
}

/** A descriptor of a runtime's vCPU. */
class RuntimeRegisters {
  readonly #process: TestProcess;
  readonly fd: number;

  constructor(process: TestProcess, fd: number) {
    expect(fd).toBeGreaterThan(0);
    this.#process = process;
    this.fd = fd;
  }

  init(features = 0): number | string {
    return this.#process.call(this.fd, KVM_ARM_VCPU_INIT, kvmVcpuInit, { target: 5, features: [features] });
  }

  ids(): RegId[] {
    const process = this.#process;
    const list = process.mapMemory(0x4000);
    kvmRegList.write(process.memory, list, { n: 1000 });
    expect(process.ioctl(this.fd, KVM_GET_REG_LIST, list)).toBe(0);
    const { n } = kvmRegList.view(process.memory, list);
    return [...new BigUint64Array(process.memory.buffer, list + kvmRegList.size, n)];
  }

  get(id: RegId): Uint8Array {
    const addr = this.#process.arg + 0x1000;
    expect(this.#process.call(this.fd, KVM_GET_ONE_REG, kvmOneReg, { id, addr })).toBe(0);
    return new Uint8Array(this.#process.memory.buffer, addr, regSize(id)).slice();
  }

  set(id: RegId, value: Uint8Array): number | string {
    const addr = this.#process.arg + 0x1000;
    new Uint8Array(this.#process.memory.buffer, addr, value.length).set(value);
    return this.#process.call(this.fd, KVM_SET_ONE_REG, kvmOneReg, { id, addr });
  }
}

describe('a secure runtime', () => {
  test('serves a monotonic counter, which its memory keeps, by both conduits and conventions', () => {
    const machine = new SecureMachine();
    expect(machine.load()).toBe(0);
    expect(machine.call(SIP + 1).slice(0, 2)).toEqual([0n, 1n]);
    expect(machine.call(SIP + 1, [], SMC).slice(0, 2)).toEqual([0n, 2n]);
    expect(machine.call(0x8200_0001).slice(0, 2)).toEqual([0n, 3n]);
    expect(machine.process.data.getBigUint64(machine.ram + runtime.at('count'), true)).toBe(3n);
  });

  test('serves random numbers from the seed that user space gave it', () => {
    const machine = new SecureMachine();
    machine.process.data.setBigUint64(machine.ram + runtime.at('seed'), 1_234_567n, true);
    machine.load();
    // The first outputs of SplitMix64 for this seed, as its author's reference gives them.
    expect(machine.call(SIP)).toEqual([0n, 6_457_827_717_110_365_317n, 0n, 0n]);
    expect(machine.call(SIP)[1]).toBe(3_203_168_211_198_807_973n);
  });

  test('sees x0 to x7 of the caller, and no other register', () => {
    const machine = new SecureMachine();
    machine.load();
    const [x0, x1, sp, x7] = machine.call(SIP + 6, [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n]);
    expect([x0, x1, x7]).toEqual([0n, 0n, 7n]);
    expect(sp).toBe(BigInt(SECURE_RAM + SECURE_SIZE));
  });

  test.each([
    ['hangs', 2],
    ['crashes', 3],
  ])('answers -1 when it %s, and serves the next call', (_, fn) => {
    const machine = new SecureMachine();
    machine.load();
    expect(machine.call(SIP + fn, [5n, 6n, 7n])).toEqual([MINUS_ONE, 5n, 6n, 7n]);
    expect(machine.call(SIP + 1).slice(0, 2)).toEqual([0n, 1n]);
  });

  test('may use the timers, which interrupt nobody', () => {
    const machine = new SecureMachine();
    // mov x1, #7; msr cntv_cval_el0, x1; msr cntp_ctl_el0, x1; mrs x1, cntv_cval_el0; mov x0, xzr; hvc #0
    [0xd280_00e1, 0xd51b_e341, 0xd51b_e221, 0xd53b_e341, 0xaa1f_03e0, HVC].forEach((word, n) =>
      machine.process.data.setUint32(machine.ram + 4 * n, word, true),
    );
    machine.load();
    for (let n = 0; n < 2; n++) expect(machine.call(SIP, [0n, 2n, 3n])).toEqual([0n, 7n, 2n, 3n]);
  });

  test('reaches no memory of the guest, and the guest none of its', () => {
    const machine = new SecureMachine();
    machine.load();
    expect(machine.call(SIP + 4, [BigInt(RAM)])[0]).toBe(MINUS_ONE);
    expect(machine.call(SIP + 5, [BigInt(RAM), 1n])[0]).toBe(MINUS_ONE);
    machine.vm.load([0xd2b0_0000, 0xf940_0001]); // movz x0, #0x8000, lsl #16; ldr x1, [x0]
    machine.vcpu.start();
    expect(machine.vcpu.run()).toBe(0);
    expect(machine.vcpu.exitReason).toBe(6); // MMIO: there is nothing
  });

  test('reads what the guest grants, and writes what it may', () => {
    const machine = new SecureMachine();
    const shared = RAM + 0x1_0000;
    const writable = shared + PAGE_SIZE;
    const grants = machine.grants(
      { gpa: shared, len: PAGE_SIZE, flags: 0 },
      { gpa: writable, len: PAGE_SIZE, flags: VKVM_SECURE_GRANT_WRITE },
    );
    expect(machine.load(grants)).toBe(0);
    machine.process.data.setBigUint64(machine.vm.ram + 0x1_0000, 42n, true);
    expect(machine.call(SIP + 4, [BigInt(shared)]).slice(0, 2)).toEqual([0n, 42n]);
    expect(machine.call(SIP + 5, [BigInt(shared), 1n])[0]).toBe(MINUS_ONE);
    expect(machine.call(SIP + 5, [BigInt(writable), 7n])[0]).toBe(0n);
    expect(machine.process.data.getBigUint64(machine.vm.ram + 0x1_1000, true)).toBe(7n);
    expect(machine.call(SIP + 4, [BigInt(writable + PAGE_SIZE)])[0]).toBe(MINUS_ONE);
  });

  test('leaves other function ids to their owners', () => {
    const machine = new SecureMachine();
    machine.load({ count: 2 });
    expect(machine.call(SIP + 2)[0]).toBe(MINUS_ONE);
    expect(machine.call(0x8400_0000)[0]).toBe(0x1_0003n); // PSCI_VERSION
  });

  test('goes with the VM, and one that was refused at once', () => {
    const process = new TestProcess();
    const { syscalls } = process;
    const ram = process.mapMemory(PAGE_SIZE);
    const load = { user_addr: ram, ram_gpa: SECURE_RAM, ram_len: PAGE_SIZE, entry: SECURE_RAM, budget: 1 };
    // There is room for two of them, and not for three.
    for (let n = 0; n < 5; n++) {
      const vm = new TestVm(process);
      for (let refused = 0; refused < 5; refused++) {
        const noGrant = { ...load, base: SIP, count: 1, grants: 8, nr_grants: 1 };
        expect(process.call(vm.fd, VKVM_SECURE_LOAD, vkvmSecureLoad, noGrant)).toBe('EFAULT');
      }
      expect(process.call(vm.fd, VKVM_SECURE_LOAD, vkvmSecureLoad, { ...load, base: SIP, count: 1 })).toBe(0);
      const fd = process.ioctl(vm.fd, VKVM_SECURE_VCPU) as number;
      for (const each of [vm.fd, fd]) expect(syscalls.close(each)).toBe(0);
      expect(syscalls.munmap(vm.ram, 0x20_0000)).toBe(0);
    }
  });
});

describe('the registers of a secure runtime', () => {
  const KEEP_FN = SIP + 7;
  /** Thread registers are reset to this, as on Linux. */
  const BEFORE = [0n, 0x1de7_ec7e_dbad_c0den, 0n, 0n];

  test('outlive a call, but for the general ones', () => {
    const machine = new SecureMachine();
    machine.load();
    expect(machine.call(KEEP_FN, [5n, 6n])).toEqual(BEFORE);
    expect(machine.call(KEEP_FN, [7n, 8n])).toEqual([0n, 5n, 6n, 0n]);
  });

  test('are got, and set in another VM, with which it goes on there', () => {
    const here = new SecureMachine();
    here.load();
    here.call(KEEP_FN, [5n, 6n]);
    here.call(SIP + 1);
    const from = here.open();
    const saved = new Map(from.ids().map((id) => [id, from.get(id)]));
    const there = new SecureMachine();
    there.load();
    const to = there.open();
    for (const [id, value] of saved) expect(to.set(id, value), id.toString(16)).toBe(0);
    const memory = new Uint8Array(here.process.memory.buffer, here.ram, SECURE_SIZE);
    new Uint8Array(there.process.memory.buffer, there.ram, SECURE_SIZE).set(memory);
    expect(there.call(KEEP_FN)).toEqual([0n, 5n, 6n, 0n]);
    expect(there.call(SIP + 1)[1]).toBe(2n);
  });

  test('are reset by KVM_ARM_VCPU_INIT, and code that was written meanwhile counts', () => {
    const machine = new SecureMachine();
    machine.load();
    machine.call(KEEP_FN, [5n, 6n]);
    const registers = machine.open();
    expect(registers.init()).toBe(0);
    expect(machine.call(KEEP_FN)).toEqual(BEFORE);
    machine.process.data.setUint32(machine.ram, 0xd400_0003, true); // smc #0
    expect(registers.init()).toBe(0);
    expect(machine.call(KEEP_FN)[0]).toBe(BigInt(KEEP_FN));
  });

  test('are all that its descriptor has', () => {
    const machine = new SecureMachine();
    expect(machine.process.ioctl(machine.vm.fd, VKVM_SECURE_VCPU)).toBe('ENOENT');
    machine.load();
    expect(machine.process.ioctl(machine.vm.fd, VKVM_SECURE_VCPU, 1)).toBe('EINVAL');
    const registers = machine.open();
    const { process } = machine;
    expect(process.ioctl(registers.fd, KVM_RUN)).toBe('EINVAL');
    expect(process.ioctl(registers.fd, KVM_GET_MP_STATE, process.arg)).toBe('EINVAL');
    expect(registers.init(PSCI_0_2)).toBe('EINVAL');
    expect(process.syscalls.mmap(registers.fd, PAGE_SIZE, prot, 0)).toBe(-19); // ENODEV
    expect(registers.set(sysregId(SYSREGS.TPIDR_EL1), new Uint8Array(8))).toBe(0);
    expect(process.syscalls.close(registers.fd)).toBe(0);
    expect(machine.call(SIP + 1)[0]).toBe(0n);
  });
});

describe('what a secure runtime writes into memory of the guest', () => {
  /** It begins in the middle of a word of the bitmap. */
  const FIRST = 35;
  const PAGES = 80;
  const SHARED = BigInt(RAM + FIRST * PAGE_SIZE);
  const sweep = (machine: SecureMachine, first: number, count: number): bigint =>
    machine.call(SIP + 8, [SHARED + BigInt(first * PAGE_SIZE), BigInt(count)])[0]!;

  function loaded(options?: { ringSize: number }): SecureMachine {
    const machine = new SecureMachine(options);
    const grant = { gpa: Number(SHARED), len: PAGES * PAGE_SIZE, flags: VKVM_SECURE_GRANT_WRITE };
    expect(machine.load(machine.grants(grant))).toBe(0);
    return machine;
  }

  test('is in the dirty log, page by page, each time anew', () => {
    const machine = loaded();
    machine.log(KVM_MEM_LOG_DIRTY_PAGES);
    expect(sweep(machine, 1, 3)).toBe(0n);
    expect(machine.dirty()).toEqual([FIRST + 1, FIRST + 2, FIRST + 3]);
    expect(machine.dirty()).toEqual([]);
    expect(machine.call(SIP + 4, [SHARED])[0]).toBe(0n); // reads
    machine.call(SIP + 1); // writes its own memory
    expect(machine.dirty()).toEqual([]);
    sweep(machine, 2, 1);
    expect(machine.dirty()).toEqual([FIRST + 2]);
  });

  test('is in the log of a memslot that is logged since it wrote there first', () => {
    const machine = loaded();
    sweep(machine, 0, 2);
    machine.log(KVM_MEM_LOG_DIRTY_PAGES);
    sweep(machine, 1, 1);
    expect(machine.dirty()).toEqual([FIRST + 1]);
    machine.log(0);
    expect(sweep(machine, 1, 1)).toBe(0n);
    machine.log(KVM_MEM_LOG_DIRTY_PAGES);
    expect(machine.dirty()).toEqual([]);
  });

  test('is in no log of memory that has taken the place of what was granted', () => {
    const machine = loaded();
    expect(machine.vm.setMemory(0, RAM, 0, 0)).toBe(0);
    const other = machine.process.mapMemory(0x20_0000);
    expect(machine.vm.setMemory(0, RAM, 0x20_0000, other, KVM_MEM_LOG_DIRTY_PAGES)).toBe(0);
    new Uint32Array(machine.process.memory.buffer, other).set([HVC, ...KEEP, ...OFF]);
    expect(sweep(machine, 0, 1)).toBe(0n);
    expect(machine.dirty()).toEqual([]);
  });

  const RING_SIZE = 0x1000;
  const ENTRIES = RING_SIZE / kvmDirtyGfn.size;

  /** The ring of the vCPU. */
  function ringOf({ process, vcpu }: SecureMachine) {
    const ring = process.syscalls.mmap(vcpu.fd, RING_SIZE, prot, 64 * PAGE_SIZE);
    return (n: number) => kvmDirtyGfn.view(process.memory, ring + n * kvmDirtyGfn.size);
  }

  test('is in the dirty ring of the vCPU that calls', () => {
    const machine = loaded({ ringSize: RING_SIZE });
    const entry = ringOf(machine);
    machine.log(KVM_MEM_LOG_DIRTY_PAGES);
    sweep(machine, 3, 2);
    sweep(machine, 4, 2);
    expect([0, 1, 2].map((n) => Number(entry(n).offset))).toEqual([FIRST + 3, FIRST + 4, FIRST + 5]);
    expect(entry(3).flags).toBe(0);
    entry(0).flags = KVM_DIRTY_GFN_F_RESET;
    expect(machine.process.ioctl(machine.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe(1);
    sweep(machine, 3, 3);
    expect(Number(entry(3).offset)).toBe(FIRST + 3);
    expect(entry(4).flags).toBe(0);
  });

  test('has room there before a call begins: a ring without ends KVM_RUN, and the next one calls', () => {
    const machine = loaded({ ringSize: RING_SIZE });
    const entry = ringOf(machine);
    machine.log(KVM_MEM_LOG_DIRTY_PAGES);
    // The ring has 256 entries, of which 64 are kept back. The guest dirties 180 pages: 76 are left, and 80 are granted.
    const STORES = [
      0xb900_0020, // str w0, [x1]
      0x9140_0421, // add x1, x1, #4096
      0xf100_0442, // subs x2, x2, #1
      0x54ff_ffa1, // b.ne .-12
      0xaa03_03e0, // mov x0, x3
      HVC,
      ...OFF,
    ];
    machine.vcpu.start();
    machine.vm.load(STORES);
    machine.vcpu.set(xRegId(1), BigInt(RAM + 200 * PAGE_SIZE));
    machine.vcpu.set(xRegId(2), 180n);
    machine.vcpu.set(xRegId(3), BigInt(SIP + 1));
    const count = (): bigint => machine.process.data.getBigUint64(machine.ram + runtime.at('count'), true);
    for (const _ of [1, 2]) {
      expect(machine.vcpu.run()).toBe(0);
      expect(machine.vcpu.exitReason).toBe(KVM_EXIT_DIRTY_RING_FULL);
      expect(count()).toBe(0n);
    }
    for (let n = 0; n < 4; n++) entry(n).flags = KVM_DIRTY_GFN_F_RESET;
    expect(machine.process.ioctl(machine.vm.fd, KVM_RESET_DIRTY_RINGS)).toBe(4);
    expect(machine.vcpu.run()).toBe(0);
    expect(machine.vcpu.exitReason).toBe(KVM_EXIT_SYSTEM_EVENT);
    expect(count()).toBe(1n);
  });

  test('must have room in a ring: EINVAL', () => {
    const machine = new SecureMachine({ ringSize: RING_SIZE });
    const grant = (pages: number) =>
      machine.grants({ gpa: RAM, len: pages * PAGE_SIZE, flags: VKVM_SECURE_GRANT_WRITE });
    expect(machine.load(grant(ENTRIES - 64 + 1))).toBe('EINVAL');
    expect(machine.load(grant(ENTRIES - 64))).toBe(0);
    const process = new TestProcess();
    const late = new TestVm(process);
    const load = { user_addr: process.mapMemory(PAGE_SIZE), ram_gpa: SECURE_RAM, ram_len: PAGE_SIZE };
    const rest = { entry: SECURE_RAM, budget: 1, base: SIP, count: 1 };
    expect(process.call(late.fd, VKVM_SECURE_LOAD, vkvmSecureLoad, { ...load, ...rest })).toBe(0);
    expect(late.enableCap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL, BigInt(RING_SIZE))).toBe('EINVAL');
  });
});

describe('VKVM_SECURE_LOAD refuses', () => {
  test.each([
    ['flags', { flags: 1 }],
    ['reserved words', { reserved: 1 }],
    ['memory that is not aligned', { ram_gpa: SECURE_RAM + 8 }],
    ['no memory', { ram_len: 0 }],
    ['an entry outside of the memory', { entry: SECURE_RAM + SECURE_SIZE }],
    ['an entry that is not aligned', { entry: SECURE_RAM + 2 }],
    ['no budget', { budget: 0 }],
    ['no function', { count: 0 }],
    ['function ids that are no fast calls', { base: 0x4200_0000 }],
    ['more grants than there can be', { nr_grants: 17 }],
  ])('%s: EINVAL', (_, change) => {
    expect(new SecureMachine().load(change)).toBe('EINVAL');
  });

  test('memory that user space does not have, or grants that are not there: EFAULT', () => {
    expect(new SecureMachine().load({ user_addr: 0x1000 })).toBe('EFAULT');
    expect(new SecureMachine().load({ grants: 8, nr_grants: 1 })).toBe('EFAULT');
    const machine = new SecureMachine();
    const outside = machine.grants({ gpa: 0x2000_0000, len: PAGE_SIZE, flags: 0 });
    expect(machine.load(outside)).toBe('EFAULT');
  });

  test("grants with unknown flags: EINVAL; over the runtime's memory: EEXIST", () => {
    const machine = new SecureMachine();
    expect(machine.load(machine.grants({ gpa: RAM, len: PAGE_SIZE, flags: 2 }))).toBe('EINVAL');
    expect(machine.load(machine.grants({ gpa: RAM, len: PAGE_SIZE, flags: 0, reserved: 1 }))).toBe('EINVAL');
    const over = machine.grants({ gpa: RAM, len: PAGE_SIZE, flags: 0 });
    expect(machine.load({ ...over, ram_gpa: RAM, entry: RAM })).toBe('EEXIST');
    expect(machine.load()).toBe(0); // nothing of the refused ones was left
  });

  test('a second runtime: EEXIST; one that comes after a vCPU has run: EBUSY', () => {
    const machine = new SecureMachine();
    machine.load();
    expect(machine.load()).toBe('EEXIST');
    const late = new SecureMachine();
    late.vm.load(OFF);
    late.vcpu.start();
    late.process.ioctl(late.vcpu.fd, KVM_RUN);
    expect(late.load()).toBe('EBUSY');
  });
});
