/** The secure runtime of a machine: code that serves the guest's SiP calls, injected into the kernel. */
import type { Process, Syscalls } from '@vkvm/uapi';
import type { KernelIdentity } from '../kvm/abi-check.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import type { KvmError } from '../kvm/error.ts';
import type { Kvm } from '../kvm/kvm.ts';
import type { RegisterFile } from '../kvm/register-file.ts';
import type { Vm } from '../kvm/vm.ts';
import { alignUp } from '../loader/ram.ts';
import type { RamRange } from '../loader/ram.ts';
import { ConfigError } from './config.ts';
import type { SecureRuntimeConfig } from './config.ts';
import { SECURE_RAM } from './layout.ts';

/** What a runtime has besides its code: data behind it, and a stack. */
const ROOM = 0x1_0000;
/** The SiP service range of SMCCC, both conventions. Source: Arm DEN 0028, table 6-2. */
const SIP_BASE = 0x8200_0000;
const SIP_COUNT = 0x1_0000;
/** Instructions of one call: a few milliseconds, so that a runtime that hangs does not hang the machine. */
const BUDGET = 1_000_000;
/** The first ABI revision that has secure runtimes. */
const REVISION = 2;

/** Where it goes. RAM is there already. */
export interface SecureRuntimeParts {
  readonly kvm: Kvm;
  readonly vm: Vm;
  /** For {@link RegisterFile.init}. */
  readonly target: number;
  readonly identity: KernelIdentity;
  readonly syscalls: Syscalls;
  readonly process: Process;
}

/** A runtime that is loaded. All of its state is its memory and its registers. */
export class SecureRuntime implements Disposable {
  readonly registers: RegisterFile;
  /** Bytes of the process memory. */
  readonly ram: Uint8Array;
  /** Where the runtime finds them. */
  readonly range: RamRange;
  readonly #code: Uint8Array;
  readonly #target: number;
  readonly #resources: DisposableStack;

  /**
   * @throws {AbiMismatchError} the kernel has no secure runtimes
   * @throws {ConfigError} there is no code, or too much; grants that are not pages of RAM; no room
   */
  constructor(
    { kvm, vm, target, identity, syscalls, process }: SecureRuntimeParts,
    { code, budget = BUDGET, grants = [] }: SecureRuntimeConfig,
  ) {
    if (code.length === 0 || code.length > SECURE_RAM.size - ROOM) {
      throw new ConfigError(
        `a secure runtime has 1 to ${SECURE_RAM.size - ROOM} bytes, not ${code.length}; give AArch64 code without a header`,
      );
    }
    if (identity.revision < REVISION) {
      throw new AbiMismatchError(
        `${identity.name} has no VKVM_SECURE_LOAD (vkvm ABI revision ${REVISION}), which this VMM needs for a secure ` +
          `runtime; use a newer @vkvm/kernel, or none`,
      );
    }
    const { base } = SECURE_RAM;
    const size = alignUp(code.length + ROOM, 0x1000);
    const functions = { base: SIP_BASE, count: SIP_COUNT };
    using resources = new DisposableStack();
    try {
      const userAddress = kvm.mapMemory(size);
      resources.defer(() => syscalls.munmap(userAddress, size));
      this.ram = new Uint8Array(process.memory.buffer, userAddress, size);
      this.ram.set(code);
      vm.loadSecure({ userAddress, base, size, entry: base, budget, functions, grants });
    } catch (error) {
      const remedy = REMEDIES[(error as KvmError).errno];
      if (remedy === undefined) throw error;
      throw new ConfigError(remedy, { cause: error });
    }
    this.registers = resources.use(vm.openSecure());
    this.range = { base, size };
    this.#code = code;
    this.#target = target;
    this.#resources = resources.move();
  }

  /** Puts it back to where it was before its first call. */
  reset(): void {
    this.ram.fill(0);
    this.ram.set(this.#code);
    this.registers.init(this.#target, []);
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }
}

const GRANTS =
  'a secure runtime has a budget of 1 to 2^32 instructions, and up to 16 grants: whole pages of RAM, each page once';

/** What to say of an errno of the load. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOMEM:
    'a secure runtime does not fit into the address space that RAM shares with the kernel; use less --memory',
  EINVAL: GRANTS,
  EFAULT: GRANTS,
  EEXIST: GRANTS,
};
