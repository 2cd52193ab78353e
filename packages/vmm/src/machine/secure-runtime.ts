/** The secure runtime of a machine: code that serves the guest's SiP calls, injected into the kernel. */
import type { Process } from '@vkvm/uapi';
import type { KernelIdentity } from '../kvm/abi-check.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import type { KvmError } from '../kvm/error.ts';
import type { Kvm } from '../kvm/kvm.ts';
import type { Vm } from '../kvm/vm.ts';
import { alignUp } from '../loader/ram.ts';
import { ConfigError } from './config.ts';
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

/** Where it goes. */
export interface SecureRuntimeParts {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly identity: KernelIdentity;
  readonly process: Process;
}

/** Its memory, so that it can be saved, and started afresh at a reset. */
export class SecureRuntime {
  readonly #image: Uint8Array;
  readonly #memory: Uint8Array;

  /**
   * @param image - AArch64 code for `0x0E000000`, position-independent or linked there; calls begin at its start
   * @throws {AbiMismatchError} the kernel has no secure runtimes
   * @throws {ConfigError} there is no code, or too much
   */
  constructor({ kvm, vm, identity, process }: SecureRuntimeParts, image: Uint8Array) {
    if (image.length === 0 || image.length > SECURE_RAM.size - ROOM) {
      throw new ConfigError(
        `a secure runtime has 1 to ${SECURE_RAM.size - ROOM} bytes, not ${image.length}; give AArch64 code without a header`,
      );
    }
    if (identity.revision < REVISION) {
      throw new AbiMismatchError(
        `${identity.name} has no VKVM_SECURE_LOAD (vkvm ABI revision ${REVISION}), which this VMM needs for a secure ` +
          `runtime; use a newer @vkvm/kernel, or none`,
      );
    }
    const size = alignUp(image.length + ROOM, 0x1000);
    const userAddress = kvm.mapMemory(size);
    this.#image = image;
    this.#memory = new Uint8Array(process.memory.buffer, userAddress, size);
    this.reset();
    try {
      vm.loadSecure({
        userAddress,
        base: SECURE_RAM.base,
        size,
        entry: SECURE_RAM.base,
        budget: BUDGET,
        functions: { base: SIP_BASE, count: SIP_COUNT },
      });
    } catch (error) {
      if ((error as KvmError).errno !== 'ENOMEM') throw error;
      throw new ConfigError(
        'a secure runtime does not fit into the address space that RAM shares with the kernel; use less --memory',
        { cause: error },
      );
    }
  }

  /** Puts the memory back to the image as it was given. */
  reset(): void {
    this.#memory.fill(0);
    this.#memory.set(this.#image);
  }
}
