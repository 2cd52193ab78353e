/** A guest of one instruction on a bare VM: what the kernel alone makes of a call, with no guard before it. */
import { createKernel } from '@vkvm/kernel';
import {
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_CAP_ARM_SYSTEM_SUSPEND,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_REG_PC,
  PSCI_0_1,
  SYSREGS,
  VKVM_CAP_PSCI_OWNER,
  VKVM_CAP_SLICE,
  VKVM_IDLE_STOPPED,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_KERNEL,
  VKVM_PSCI_OWNER_USER,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import type { ProfileName, RegId } from '@vkvm/uapi';
import { KvmError, createProcess, openKvm } from '@vkvm/vmm';
import type { Kvm, Vcpu, Vm } from '@vkvm/vmm';
import { UNDEFINED } from './cells.ts';
import type { Cell, Registers } from './cells.ts';

const RAM = 0x4000_0000;
const RAM_SIZE = 0x20_0000;
/** Offset of the exception vectors; an undefined instruction ends there. */
const VECTORS = 0x1000;
const HVC = 0xd400_0002;
const SMC = 0xd400_0003;
const STAY = 0x1400_0000; // b .
/** Instructions of a KVM_RUN: the call, and some of the loop after it. */
const SLICE = 16n;
const MIB = 0x10_0000;

const OWNERS = {
  kernel: VKVM_PSCI_OWNER_KERNEL,
  exit: VKVM_PSCI_OWNER_EXIT,
  user: VKVM_PSCI_OWNER_USER,
} as const;

/** How a KVM_RUN ended that made a call. */
export type CallExit =
  | { readonly reason: 'none' }
  /** The vCPU waits: it is off, or wants an interrupt. */
  | { readonly reason: 'idle'; readonly isOff: boolean }
  | { readonly reason: 'system_event'; readonly type: number; readonly data: readonly bigint[] }
  | {
      readonly reason: 'psci';
      readonly fn: number;
      readonly conduit: 'hvc' | 'smc';
      readonly args: readonly bigint[];
    };

/** What a call did. */
export interface Observation {
  readonly exit: CallExit;
  /** x0 to x3 after it. */
  readonly registers: Registers;
}

/** A kernel of a profile, and the memory of the process that opened it. */
export class ProfileKernel implements Disposable {
  readonly kvm: Kvm;
  readonly memory: WebAssembly.Memory;
  readonly #ram: number;

  constructor(profile: ProfileName) {
    const process = createProcess({ size: 512 * MIB, shared: false });
    this.memory = process.memory;
    this.kvm = openKvm(createKernel({ profile }).attach(process), process);
    this.#ram = this.kvm.mapMemory(RAM_SIZE);
    const words = new Uint32Array(this.memory.buffer, this.#ram, RAM_SIZE / 4);
    words.set([HVC, STAY, SMC, STAY]);
    words.fill(STAY, VECTORS / 4, VECTORS / 4 + 0x200);
  }

  /** A VM with that RAM. */
  createVm(): Vm {
    const vm = this.kvm.createVm();
    vm.setMemslot({ slot: 0, base: RAM, size: RAM_SIZE, userAddress: this.#ram });
    vm.enableCap(VKVM_CAP_SLICE, SLICE);
    return vm;
  }

  [Symbol.dispose](): void {
    this.kvm[Symbol.dispose]();
  }
}

/** What a test may change of the VM. */
export interface KernelGuestOptions {
  /** Number of vCPUs; all but the first are off. Default: 1. */
  readonly smp?: number;
  /** Whether SYSTEM_SUSPEND exits, instead of being unknown. */
  readonly systemSuspend?: boolean;
}

/** A VM of a cell. What the kernel refuses of the cell is noted, and left as it was. */
export class KernelGuest implements Disposable {
  /** What was refused: the request and its errno. */
  readonly refusals: readonly string[];
  /** What `KVM_REG_ARM_PSCI_VERSION` reads; undefined: there is none. */
  readonly version: number | undefined;
  readonly #vm: Vm;
  readonly #vcpus: readonly Vcpu[];
  readonly #target: number;
  readonly #features: readonly number[];
  readonly #code: number;

  constructor(
    kernel: ProfileKernel,
    { version, owner, conduit }: Cell,
    { smp = 1, systemSuspend = false }: KernelGuestOptions = {},
  ) {
    const refusals: string[] = [];
    const allowed = (what: string, act: () => void): boolean => {
      try {
        act();
        return true;
      } catch (error) {
        if (!(error instanceof KvmError)) throw error;
        refusals.push(`${what} ${error.errno}`);
        return false;
      }
    };
    this.#vm = kernel.createVm();
    this.#target = this.#vm.preferredTarget();
    this.#code = RAM + (conduit === 'smc' ? 8 : 0);
    this.#vcpus = Array.from({ length: smp }, (_, id) => this.#vm.createVcpu(id));
    const [first] = this.#vcpus as [Vcpu];
    const wanted = version === PSCI_0_1 ? [] : [KVM_ARM_VCPU_PSCI_0_2];
    this.#features = allowed('INIT', () => first.init(this.#target, wanted)) ? wanted : [];
    this.#reset();
    allowed('VERSION', () => first.setReg(KVM_REG_ARM_PSCI_VERSION, BigInt(version)));
    allowed('OWNER', () => this.#vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(OWNERS[owner])));
    if (systemSuspend) allowed('SUSPEND', () => this.#vm.enableCap(KVM_CAP_ARM_SYSTEM_SUSPEND));
    let found: number | undefined;
    try {
      found = Number(first.getReg(KVM_REG_ARM_PSCI_VERSION));
    } catch (error) {
      if (!(error instanceof KvmError)) throw error;
    }
    this.version = found;
    this.refusals = refusals;
  }

  /** Makes a call on the first vCPU, from a fresh reset of all. */
  call(registers: Registers): Observation {
    this.#reset();
    const [vcpu] = this.#vcpus as [Vcpu];
    registers.forEach((value, n) => vcpu.setReg(xRegId(n), value));
    vcpu.setReg(KVM_REG_PC, BigInt(this.#code));
    vcpu.setReg(sysregId(SYSREGS.VBAR_EL1), BigInt(RAM + VECTORS));
    const exit = vcpu.run();
    const seen = ((): CallExit => {
      if (exit.reason === 'system_event') return { reason: 'system_event', type: exit.type, data: exit.data };
      if (exit.reason === 'psci') {
        const { functionId: fn, conduit, args } = exit;
        return { reason: 'psci', fn, conduit, args: [...args] };
      }
      if (exit.reason === 'idle') return { reason: 'idle', isOff: exit.why === VKVM_IDLE_STOPPED };
      if (exit.reason === 'intr') return { reason: 'none' };
      throw new Error(`a call ended with the exit ${exit.reason}`);
    })();
    const isUndefined = vcpu.getReg(KVM_REG_PC) >= BigInt(RAM + VECTORS);
    const [x0, ...rest] = [0, 1, 2, 3].map((n) => vcpu.getReg(xRegId(n))) as [bigint, bigint, bigint, bigint];
    return { exit: seen, registers: [isUndefined ? UNDEFINED : x0, ...rest] };
  }

  /** `KVM_MP_STATE_*` of every vCPU. */
  get mpStates(): number[] {
    return this.#vcpus.map(({ mpState }) => mpState);
  }

  /** Reads a register of a vCPU. */
  register(vcpu: number, id: RegId): bigint {
    return (this.#vcpus[vcpu] as Vcpu).getReg(id);
  }

  #reset(): void {
    this.#vcpus.forEach((vcpu, n) =>
      vcpu.init(this.#target, n === 0 ? this.#features : [...this.#features, KVM_ARM_VCPU_POWER_OFF]),
    );
  }

  [Symbol.dispose](): void {
    for (const vcpu of this.#vcpus) vcpu[Symbol.dispose]();
    this.#vm[Symbol.dispose]();
  }
}
