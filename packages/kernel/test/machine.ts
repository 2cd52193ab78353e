/** A process with a VM for tests of the system calls: what a VMM would do, without one. */
import {
  KVM_ARM_VCPU_INIT,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_ENABLE_CAP,
  KVM_GET_ONE_REG,
  KVM_REG_PC,
  KVM_RUN,
  KVM_SET_ONE_REG,
  KVM_SET_USER_MEMORY_REGION,
  PROT_READ,
  PROT_WRITE,
  VKVM_CAP_SLICE,
  VKVM_KICK_OFFSET,
  errnoName,
  kvmEnableCap,
  kvmOneReg,
  kvmRun,
  kvmUserspaceMemoryRegion,
  kvmVcpuInit,
} from '@vkvm/uapi';
import type { Fields, RegId, Struct, Syscalls, Values } from '@vkvm/uapi';

import { Kernel } from '../src/kernel.ts';
import type { EngineOverride, KernelIdentity, KernelOptions } from '../src/kernel.ts';

export const PSCI_0_2 = 0x4;
export const POWER_OFF = 0x1;
export const RAM = 0x4000_0000;
/** A guest-physical address without memory. */
export const DEVICE = 0x1000_0000;
const WASM_PAGE = 0x1_0000;

export interface MachineOptions extends KernelOptions, KernelIdentity, EngineOverride {
  /** MiB of process memory. */
  readonly size?: number;
  readonly shared?: boolean;
}

export const prot = PROT_READ | PROT_WRITE;

/** A process memory, its system calls, and room for arguments. */
export class TestProcess {
  readonly memory: WebAssembly.Memory;
  readonly kernel: Kernel;
  readonly syscalls: Syscalls;
  /** User address of a page for arguments. */
  readonly arg: number;
  readonly kvm: number;
  readonly data: DataView;

  constructor({ size = 256, shared = false, ...options }: MachineOptions = {}) {
    const pages = (size << 20) / WASM_PAGE;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    this.kernel = new Kernel(options);
    this.syscalls = this.kernel.attach({ memory: this.memory });
    this.data = new DataView(this.memory.buffer);
    this.arg = this.syscalls.mmap(-1, 0x4000, prot, 0);
    this.kvm = this.syscalls.open('/dev/kvm');
  }

  /** Calls with a struct as argument. @returns the result, or the name of the errno */
  call<F extends Fields>(
    fd: number,
    request: number,
    struct: Struct<F>,
    values: Partial<Values<F>>,
  ): number | string {
    struct.write(this.memory, this.arg, values);
    return named(this.syscalls.ioctl(fd, request, this.arg));
  }

  ioctl(fd: number, request: number, arg = 0): number | string {
    return named(this.syscalls.ioctl(fd, request, arg));
  }

  mapMemory(length: number, protection = prot): number {
    return this.syscalls.mmap(-1, length, protection, 0);
  }
}

export const named = (result: number): number | string => (result < 0 ? errnoName(-result)! : result);

/** One VM with RAM of 2 MiB at {@link RAM}. */
export class TestVm {
  readonly process: TestProcess;
  readonly fd: number;
  readonly ram: number;

  constructor(process: TestProcess) {
    this.process = process;
    this.fd = process.syscalls.ioctl(process.kvm, KVM_CREATE_VM, 0);
    this.ram = process.mapMemory(0x20_0000);
    this.setMemory(0, RAM, 0x20_0000, this.ram);
  }

  setMemory(slot: number, gpa: number, size: number, userAddress: number, flags = 0): number | string {
    return this.process.call(this.fd, KVM_SET_USER_MEMORY_REGION, kvmUserspaceMemoryRegion, {
      slot,
      flags,
      guest_phys_addr: gpa,
      memory_size: size,
      userspace_addr: userAddress,
    });
  }

  /** Puts instruction words at the start of RAM, or `offset` bytes on. */
  load(words: readonly number[], offset = 0): void {
    words.forEach((word, n) => this.process.data.setUint32(this.ram + offset + 4 * n, word, true));
  }

  enableCap(cap: number, ...args: bigint[]): number | string {
    return this.process.call(this.fd, KVM_ENABLE_CAP, kvmEnableCap, { cap, args });
  }

  /** KVM_RUN never waits, and ends after so many instructions. */
  slice(instructions: number): void {
    this.enableCap(VKVM_CAP_SLICE, BigInt(instructions));
  }
}

/** One vCPU, its run page mapped. */
export class TestVcpu {
  readonly vm: TestVm;
  readonly fd: number;
  readonly page: number;

  constructor(vm: TestVm, id = 0) {
    this.vm = vm;
    this.fd = vm.process.syscalls.ioctl(vm.fd, KVM_CREATE_VCPU, id);
    this.page = vm.process.syscalls.mmap(this.fd, 0x2000, prot, 0);
  }

  get #process(): TestProcess {
    return this.vm.process;
  }

  init(features = PSCI_0_2): number | string {
    return this.#process.call(this.fd, KVM_ARM_VCPU_INIT, kvmVcpuInit, { target: 5, features: [features] });
  }

  /** Initialised, with the pc at the start of RAM. */
  start(): this {
    this.init();
    this.set(KVM_REG_PC, BigInt(RAM));
    return this;
  }

  get(id: RegId): bigint | string {
    const { arg, data, memory } = this.#process;
    data.setBigUint64(arg + 64, 0n, true);
    kvmOneReg.write(memory, arg, { id, addr: arg + 64 });
    const result = named(this.#process.syscalls.ioctl(this.fd, KVM_GET_ONE_REG, arg));
    return typeof result === 'string' ? result : data.getBigUint64(arg + 64, true);
  }

  set(id: RegId, value: bigint): number | string {
    const { arg, data, memory } = this.#process;
    data.setBigUint64(arg + 64, value, true);
    kvmOneReg.write(memory, arg, { id, addr: arg + 64 });
    return named(this.#process.syscalls.ioctl(this.fd, KVM_SET_ONE_REG, arg));
  }

  run(): number | string {
    return this.#process.ioctl(this.fd, KVM_RUN);
  }

  /** The VMM's signal. */
  kick(): void {
    Atomics.add(new Int32Array(this.#process.memory.buffer), (this.page + VKVM_KICK_OFFSET) >>> 2, 1);
  }

  get exitReason(): number {
    return kvmRun.view(this.#process.memory, this.page).exit_reason;
  }

  exit<F extends Fields>(struct: Struct<F>): Values<F> {
    return struct.view(this.#process.memory, this.page);
  }
}
