import {
  KVM_EXIT_SYSTEM_EVENT,
  KVM_RUN,
  PAGE_SIZE,
  VKVM_SECURE_GRANT_WRITE,
  VKVM_SECURE_LOAD,
  vkvmSecureGrant,
  vkvmSecureLoad,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { readGuest } from './guest/guest.ts';
import { RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';

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
  readonly vcpu = new TestVcpu(this.vm);
  readonly ram = this.process.mapMemory(SECURE_SIZE);

  constructor() {
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

  test('goes with the VM', () => {
    const machine = new SecureMachine();
    machine.load();
    const { syscalls } = machine.process;
    for (const fd of [machine.vcpu.fd, machine.vm.fd]) expect(syscalls.close(fd)).toBe(0);
    expect(syscalls.munmap(machine.vcpu.page, 0x2000)).toBe(0);
    // Its blocks are free again: a VM and a vCPU of the same size fit in their places.
    const again = new TestVcpu(new TestVm(machine.process));
    expect(again.fd).toBeGreaterThan(0);
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
