/** One virtual CPU. */
import {
  KVM_EXIT_UNKNOWN,
  KVM_GET_MP_STATE,
  KVM_GET_VCPU_EVENTS,
  KVM_RUN,
  KVM_SET_MP_STATE,
  KVM_SET_VCPU_EVENTS,
  VKVM_GET_ENGINE_STATS,
  VKVM_KICK_OFFSET,
  VKVM_KICK_REQUEST,
  kvmMpState,
  kvmRun,
  kvmVcpuEvents,
  vkvmEngineStats,
} from '@vkvm/uapi';
import type { UserAddress } from '@vkvm/uapi';
import { ExitReader } from './exit.ts';
import type { Exit24, VcpuExit } from './exit.ts';
import type { UserSpace } from './process.ts';
import { RegisterFile } from './register-file.ts';

/** As a constant of this module: one of another package is looked up at every call. */
const RUN = KVM_RUN;

/** An SError that waits for the guest to unmask it. */
export interface PendingSerror {
  /** ISS of its syndrome; absent on a CPU without RAS. */
  readonly syndrome?: bigint;
}

/** What an engine did: counts that only grow. */
export interface EngineStats {
  /** Retired by the guest. */
  readonly instructions: number;
  /** Of them, those in compiled code. */
  readonly compiledInstructions: number;
  /** Pieces of code that were compiled, the instructions they were made of, and the bytes they became. */
  readonly regions: number;
  readonly regionInstructions: number;
  readonly codeBytes: number;
  /** Nanoseconds that the vCPU waited for that. */
  readonly compileTime: number;
  /** Translations that data accesses had to find. */
  readonly tlbFills: number;
}

/** What a vCPU's VM knows of it. */
export interface VcpuOptions {
  readonly id: number;
  /** Bytes of its file. */
  readonly mmapSize: number;
  readonly exit24: Exit24;
}

/** A vCPU descriptor. All of its methods but {@link kick} belong to the thread that runs it. */
export class Vcpu extends RegisterFile {
  readonly id: number;
  /** User address of `kvm_run`. */
  readonly runPage: UserAddress;
  readonly #mmapSize: number;
  readonly #exits: ExitReader;
  readonly #kick: Int32Array;

  /** @param fd - what `KVM_CREATE_VCPU` answered */
  constructor(user: UserSpace, fd: number, { id, mmapSize, exit24 }: VcpuOptions) {
    super(user, fd);
    this.id = id;
    this.#mmapSize = mmapSize;
    this.runPage = user.mapFile(fd, mmapSize);
    this.#exits = new ExitReader(user.memory, this.runPage, exit24);
    this.#kick = new Int32Array(user.memory.buffer, this.runPage + VKVM_KICK_OFFSET, 1);
  }

  /**
   * Runs the guest until it needs the VMM.
   *
   * @returns an object that the next call overwrites
   * @throws {KvmError} `ENOEXEC` not initialised; `ENOSYS` an access to no memslot that cannot be described; `EIO` the
   *   VM is dead; `EFAULT`; first-run errors of GIC and timer
   */
  run(): VcpuExit {
    const result = this.user.syscalls.ioctl(this.fd, RUN, 0);
    const exit = this.#exits.read(result);
    if (exit === undefined) throw this.failure(KVM_RUN, result);
    return exit;
  }

  /**
   * Finishes what the last exit has begun, such as a load whose answer lies in `kvm_run`: the kernel commits that with
   * the next `KVM_RUN` only. Registers are final after it. A vCPU that has never run does not count as run by it.
   *
   * @throws {KvmError} as {@link run}
   */
  settle(): void {
    const run = kvmRun.view(this.user.memory, this.runPage);
    if (run.exit_reason === KVM_EXIT_UNKNOWN) return;
    run.immediate_exit = 1;
    try {
      this.run();
    } finally {
      run.immediate_exit = 0;
    }
  }

  /** Makes `KVM_RUN` return with `intr`, now or at its next call. From any thread. */
  kick(): void {
    Atomics.add(this.#kick, 0, 1);
    Atomics.notify(this.#kick, 0);
  }

  /** Whether a signal or a request came for this vCPU since its last `KVM_RUN` looked. */
  get isKicked(): boolean {
    return Atomics.load(this.#kick, 0) !== 0;
  }

  /** Takes back signals that came while the vCPU was not running; requests of the kernel stay. */
  clearKick(): void {
    Atomics.and(this.#kick, 0, VKVM_KICK_REQUEST | 0);
  }

  /** What the vCPU's engine did since it was created; undefined: the kernel does not tell. */
  get engineStats(): EngineStats | undefined {
    const { memory, syscalls } = this.user;
    vkvmEngineStats.write(memory, this.scratch, {});
    if (syscalls.ioctl(this.fd, VKVM_GET_ENGINE_STATS, this.scratch) < 0) return undefined;
    const stats = vkvmEngineStats.view(memory, this.scratch);
    return {
      instructions: stats.instructions,
      compiledInstructions: stats.compiled_instructions,
      regions: stats.regions,
      regionInstructions: stats.region_instructions,
      codeBytes: stats.code_bytes,
      compileTime: stats.compile_ns,
      tlbFills: stats.tlb_fills,
    };
  }

  /** @returns `KVM_MP_STATE_*` */
  get mpState(): number {
    this.ioctl(KVM_GET_MP_STATE, this.scratch);
    return kvmMpState.view(this.user.memory, this.scratch).mp_state;
  }

  /** @throws {KvmError} `EINVAL` not one of RUNNABLE, STOPPED, SUSPENDED */
  set mpState(mp_state: number) {
    kvmMpState.write(this.user.memory, this.scratch, { mp_state });
    this.ioctl(KVM_SET_MP_STATE, this.scratch);
  }

  protected override release(): void {
    this.user.unmap(this.runPage, this.#mmapSize);
  }

  /** The SError that is pending. @throws {KvmError} `ENOEXEC` not initialised */
  get serror(): PendingSerror | undefined {
    this.ioctl(KVM_GET_VCPU_EVENTS, this.scratch);
    const { serror_pending, serror_has_esr, serror_esr } = kvmVcpuEvents.view(this.user.memory, this.scratch);
    if (serror_pending === 0) return undefined;
    return serror_has_esr === 0 ? {} : { syndrome: serror_esr };
  }

  /** @throws {KvmError} `EINVAL` a syndrome this CPU cannot have */
  injectSerror({ syndrome }: PendingSerror): void {
    kvmVcpuEvents.write(this.user.memory, this.scratch, {
      serror_pending: 1,
      ...(syndrome !== undefined && { serror_has_esr: 1, serror_esr: syndrome }),
    });
    this.ioctl(KVM_SET_VCPU_EVENTS, this.scratch);
  }
}
