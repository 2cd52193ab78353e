/** What `KVM_RUN` came back with: `kvm_run` as a union that names its member. */
import {
  EINTR,
  EINVAL,
  ERRNOS,
  KVM_EXIT_ARM_NISV,
  KVM_EXIT_DEBUG,
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_HYPERCALL,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_MEMORY_FAULT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SYSTEM_EVENT,
  VKVM_EXIT_IDLE,
  VKVM_EXIT_PSCI,
  VKVM_PSCI_CONDUIT_SMC,
  VKVM_RFC_2013_EXIT_PSCI,
  kvmRun,
  kvmRunArmNisv,
  kvmRunDebug,
  kvmRunFailEntry,
  kvmRunHypercall,
  kvmRunInternal,
  kvmRunMemoryFault,
  kvmRunMmio,
  kvmRunSystemEvent,
  vkvmRunIdle,
  vkvmRunPsci,
} from '@vkvm/uapi';
import type { Gpa, UserAddress } from '@vkvm/uapi';

/** The guest touched an address that no memslot backs. A load is answered by filling `data` in place. */
export interface MmioExit {
  readonly reason: 'mmio';
  readonly address: Gpa;
  /** 1, 2, 4 or 8 bytes of `kvm_run` itself, little-endian. */
  readonly data: Uint8Array;
  readonly isWrite: boolean;
}

/** The guest asked for power-off, reset or suspend, or wakes from it. */
export interface SystemEventExit {
  readonly reason: 'system_event';
  /** `KVM_SYSTEM_EVENT_*`. */
  readonly type: number;
  /** Words the kernel filled in. */
  readonly data: readonly bigint[];
}

/** Interrupted: a kick, or the slice is used up. */
export interface IntrExit {
  readonly reason: 'intr';
}

/** The vCPU would wait; only with `VKVM_CAP_SLICE`. */
export interface IdleExit {
  readonly reason: 'idle';
  /** `VKVM_IDLE_*`. */
  readonly why: number;
  /** Nanoseconds of the monotonic clock at which to look again; `Infinity` = only an interrupt helps. */
  readonly deadline: number;
}

/** An SMCCC call that the filter forwards. Arguments and results go through one_reg. */
export interface HypercallExit {
  readonly reason: 'hypercall';
  readonly functionId: number;
  /** `KVM_HYPERCALL_EXIT_*`. */
  readonly flags: number;
}

/** A PSCI call that is user space's. Results go into `ret`; the next `KVM_RUN` loads x0 to x3 from it. */
export interface PsciExit {
  readonly reason: 'psci';
  readonly functionId: number;
  readonly conduit: 'hvc' | 'smc';
  /** x1 to x7. */
  readonly args: readonly bigint[];
  /** x0 to x3 to be; zeros. */
  ret: readonly bigint[];
}

/** A debug exception or a single step. */
export interface DebugExit {
  readonly reason: 'debug';
  /** ESR_EL2[31:0]. */
  readonly hsr: number;
  /** For watchpoints. */
  readonly far: bigint;
}

/** The vCPU cannot be entered. */
export interface FailEntryExit {
  readonly reason: 'fail_entry';
  /** True where `KVM_RUN` answered `EINVAL`: an illegal exception return, or AArch32 where there is none. */
  readonly illegalState: boolean;
  /** `KVM_EXIT_FAIL_ENTRY_*`; not valid with `illegalState`. */
  readonly hardwareReason: bigint;
}

/** The kernel failed. */
export interface InternalErrorExit {
  readonly reason: 'internal_error';
  readonly suberror: number;
  readonly data: readonly bigint[];
}

/** An access to no memslot that the syndrome does not describe. */
export interface ArmNisvExit {
  readonly reason: 'arm_nisv';
  readonly iss: bigint;
  readonly address: Gpa;
}

/** A fault that the VMM could resolve. `KVM_RUN` failed; calling it again repeats the access. */
export interface MemoryFaultExit {
  readonly reason: 'memory_fault';
  readonly address: Gpa;
  readonly size: number;
}

/** A reason this VMM does not know, or not on arm64. */
export interface UnsupportedExit {
  readonly reason: 'unsupported';
  /** `kvm_run.exit_reason`. */
  readonly exitReason: number;
}

/** Every way out of `KVM_RUN`. */
export type VcpuExit =
  | MmioExit
  | SystemEventExit
  | IntrExit
  | IdleExit
  | HypercallExit
  | PsciExit
  | DebugExit
  | FailEntryExit
  | InternalErrorExit
  | ArmNisvExit
  | MemoryFaultExit
  | UnsupportedExit;

/** Exit reason 24: Linux and the proposal of 2013 gave it two meanings. */
export type Exit24 = 'system_event' | 'psci';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What `deadline_ns` says when there is none. */
const NO_DEADLINE = 0xffff_ffff_ffff_ffffn;
const UNION = kvmRun.offsets.padding;

// What each MMIO exit needs, as constants of this module: those of another package are looked up at every call.
const MMIO = KVM_EXIT_MMIO;
const REASON_WORD = kvmRun.offsets.exit_reason / 4;
const ADDRESS_WORD = kvmRunMmio.offsets.phys_addr / 4;
const LENGTH_WORD = kvmRunMmio.offsets.len / 4;
const IS_WRITE_WORD = kvmRunMmio.offsets.is_write / 4;

/**
 * Decodes one vCPU's `kvm_run`. The objects it hands out are its own and are overwritten by the next exit of the
 * same kind: an exit costs no allocation.
 */
export class ExitReader {
  readonly #words: Uint32Array;
  readonly #psciReason: number;
  readonly #exits: ReturnType<typeof exitObjects>;
  readonly #data: Readonly<Record<number, Uint8Array>>;
  readonly #views: ReturnType<typeof unionViews>;

  /** @param exit24 - what the number 24 stands for: a system event, but in the proposal of 2013 the PSCI exit */
  constructor(memory: WebAssembly.Memory, address: UserAddress, exit24: Exit24 = 'system_event') {
    this.#psciReason = exit24 === 'psci' ? VKVM_RFC_2013_EXIT_PSCI : VKVM_EXIT_PSCI;
    this.#words = new Uint32Array(memory.buffer, address, (UNION + 32) / 4);
    this.#views = unionViews(memory, address);
    const data = (length: number) => new Uint8Array(memory.buffer, address + kvmRunMmio.offsets.data, length);
    this.#data = { 1: data(1), 2: data(2), 4: data(4), 8: data(8) };
    this.#exits = exitObjects(data(0), this.#views.psci);
  }

  /**
   * @param result - what `KVM_RUN` answered
   * @returns undefined where that is an error which no exit describes
   */
  read(result: number): VcpuExit | undefined {
    const reason = this.#words[REASON_WORD] as number;
    // Nearly all are this one: a function small enough for the compiler to take it into its caller.
    return result === 0 && reason === MMIO ? this.#readMmio() : this.#readOther(result, reason);
  }

  #readMmio(): MmioExit {
    const words = this.#words;
    const { mmio } = this.#exits;
    const low = words[ADDRESS_WORD] as number;
    const high = words[ADDRESS_WORD + 1] as number;
    // A small integer where it is one: arithmetic of others is that of doubles.
    mmio.address = high === 0 ? low : low + high * 0x1_0000_0000;
    const length = words[LENGTH_WORD] as number;
    if (mmio.data.length !== length) mmio.data = this.#data[length] ?? mmio.data;
    mmio.isWrite = ((words[IS_WRITE_WORD] as number) & 0xff) !== 0;
    return mmio;
  }

  #readOther(result: number, reason: number): VcpuExit | undefined {
    if (result < 0) return this.#failed(result, reason);
    const exits = this.#exits;
    if (reason === this.#psciReason) return exits.psci;
    switch (reason) {
      case VKVM_EXIT_IDLE: {
        const { why, deadline_ns } = this.#views.idle;
        exits.idle.why = why;
        exits.idle.deadline = deadline_ns === NO_DEADLINE ? Infinity : Number(deadline_ns);
        return exits.idle;
      }
      case KVM_EXIT_SYSTEM_EVENT: {
        const { type, ndata, data } = this.#views.systemEvent;
        exits.systemEvent.type = type;
        exits.systemEvent.data = data.slice(0, ndata);
        return exits.systemEvent;
      }
      case KVM_EXIT_HYPERCALL: {
        const { nr, flags } = this.#views.hypercall;
        exits.hypercall.functionId = Number(nr);
        exits.hypercall.flags = Number(flags);
        return exits.hypercall;
      }
      case KVM_EXIT_DEBUG: {
        const { hsr, far } = this.#views.debug;
        exits.debug.hsr = hsr;
        exits.debug.far = far;
        return exits.debug;
      }
      case KVM_EXIT_FAIL_ENTRY: {
        exits.failEntry.illegalState = false;
        exits.failEntry.hardwareReason = this.#views.failEntry.hardware_entry_failure_reason;
        return exits.failEntry;
      }
      case KVM_EXIT_INTERNAL_ERROR: {
        const { suberror, ndata, data } = this.#views.internal;
        exits.internalError.suberror = suberror;
        exits.internalError.data = data.slice(0, ndata);
        return exits.internalError;
      }
      case KVM_EXIT_ARM_NISV: {
        const { esr_iss, fault_ipa } = this.#views.nisv;
        exits.armNisv.iss = esr_iss;
        exits.armNisv.address = fault_ipa;
        return exits.armNisv;
      }
      default:
        exits.unsupported.exitReason = reason;
        return exits.unsupported;
    }
  }

  #failed(result: number, reason: number): VcpuExit | undefined {
    const exits = this.#exits;
    if (result === -EINTR) return exits.intr;
    if (result === -EINVAL && reason === KVM_EXIT_FAIL_ENTRY) {
      exits.failEntry.illegalState = true;
      return exits.failEntry;
    }
    if ((result === -ERRNOS.EFAULT || result === -ERRNOS.EHWPOISON) && reason === KVM_EXIT_MEMORY_FAULT) {
      const { gpa, size } = this.#views.memoryFault;
      exits.memoryFault.address = gpa;
      exits.memoryFault.size = size;
      return exits.memoryFault;
    }
    return undefined;
  }
}

type PsciView = ReturnType<typeof vkvmRunPsci.view>;

/** The call is read where it lies, and the results go where `KVM_RUN` looks for them. */
class PsciExitView implements PsciExit {
  readonly reason = 'psci';
  readonly #view: PsciView;

  constructor(view: PsciView) {
    this.#view = view;
  }

  get functionId(): number {
    return this.#view.fn;
  }

  get conduit(): 'hvc' | 'smc' {
    return this.#view.conduit === VKVM_PSCI_CONDUIT_SMC ? 'smc' : 'hvc';
  }

  get args(): readonly bigint[] {
    return this.#view.args;
  }

  get ret(): readonly bigint[] {
    return this.#view.ret;
  }

  set ret(results: readonly bigint[]) {
    this.#view.ret = results;
  }
}

const unionViews = (memory: WebAssembly.Memory, address: UserAddress) => ({
  idle: vkvmRunIdle.view(memory, address),
  systemEvent: kvmRunSystemEvent.view(memory, address),
  hypercall: kvmRunHypercall.view(memory, address),
  psci: vkvmRunPsci.view(memory, address),
  debug: kvmRunDebug.view(memory, address),
  failEntry: kvmRunFailEntry.view(memory, address),
  internal: kvmRunInternal.view(memory, address),
  nisv: kvmRunArmNisv.view(memory, address),
  memoryFault: kvmRunMemoryFault.view(memory, address),
});

const exitObjects = (data: Uint8Array, psci: PsciView) => ({
  mmio: { reason: 'mmio', address: 0, data, isWrite: false } as Writable<MmioExit>,
  systemEvent: { reason: 'system_event', type: 0, data: [] } as Writable<SystemEventExit>,
  intr: { reason: 'intr' } as IntrExit,
  idle: { reason: 'idle', why: 0, deadline: Infinity } as Writable<IdleExit>,
  hypercall: { reason: 'hypercall', functionId: 0, flags: 0 } as Writable<HypercallExit>,
  psci: new PsciExitView(psci),
  debug: { reason: 'debug', hsr: 0, far: 0n } as Writable<DebugExit>,
  failEntry: { reason: 'fail_entry', illegalState: false, hardwareReason: 0n } as Writable<FailEntryExit>,
  internalError: { reason: 'internal_error', suberror: 0, data: [] } as Writable<InternalErrorExit>,
  armNisv: { reason: 'arm_nisv', iss: 0n, address: 0 } as Writable<ArmNisvExit>,
  memoryFault: { reason: 'memory_fault', address: 0, size: 0 } as Writable<MemoryFaultExit>,
  unsupported: { reason: 'unsupported', exitReason: 0 } as Writable<UnsupportedExit>,
});
