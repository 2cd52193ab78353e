/** One KVM_RUN as a scenario means it, though KVM_RUN of a sliced VM comes back many times before it is over. */
import {
  EINTR,
  KVM_EXIT_INTR,
  KVM_EXIT_UNKNOWN,
  KVM_RUN,
  VKVM_EXIT_IDLE,
  VKVM_KICK_OFFSET,
  kvmRun,
  kvmRunSyncRegs,
  vkvmRunIdle,
} from '@vkvm/uapi';
import type { Syscalls, UserAddress } from '@vkvm/uapi';

/** What a vCPU is doing after a slice. */
export type Progress =
  | 'over'
  | 'busy'
  /** It waits; until this moment of the monotonic clock, in nanoseconds, or `Infinity`. */
  | number;

/** What one KVM_RUN came to. */
export interface RunResult {
  readonly ret: number;
  /** Nothing ended it but the harness. */
  readonly kicked: boolean;
}

/** What `deadline_ns` says when there is none. */
const NO_DEADLINE = 0xffff_ffff_ffff_ffffn;

export interface VcpuRunOptions {
  readonly syscalls: Syscalls;
  readonly memory: WebAssembly.Memory;
  readonly fd: number;
  /** User address of kvm_run; absent: the descriptor is no vCPU. */
  readonly page: UserAddress | undefined;
}

/** What kvm_run is given before the call. */
export interface RunInputs {
  readonly immediateExit: number;
  readonly mmioData: Uint8Array | undefined;
}

const MMIO_DATA = 40;
const MMIO_DATA_SIZE = 8;

export class VcpuRun {
  readonly #options: VcpuRunOptions;
  #result: RunResult | undefined;

  constructor(options: VcpuRunOptions, { immediateExit, mmioData }: RunInputs) {
    this.#options = options;
    const { memory, page } = options;
    if (page === undefined) return;
    kvmRun.view(memory, page).immediate_exit = immediateExit;
    if (mmioData) {
      const data = new Uint8Array(memory.buffer, page + MMIO_DATA, MMIO_DATA_SIZE);
      data.set(mmioData.subarray(0, MMIO_DATA_SIZE));
      data.fill(0, mmioData.length);
    }
  }

  /** What it came to, once it is over. */
  get result(): RunResult | undefined {
    return this.#result;
  }

  /** Whether somebody has sent the vCPU something since it last ran. */
  get isKicked(): boolean {
    const { memory, page } = this.#options;
    return (
      page !== undefined && Atomics.load(new Int32Array(memory.buffer, page + VKVM_KICK_OFFSET, 1), 0) !== 0
    );
  }

  /** Lets it run for a slice. */
  slice(): Progress {
    if (this.#result) return 'over';
    const { memory, page, syscalls, fd } = this.#options;
    if (page === undefined) {
      this.#end(syscalls.ioctl(fd, KVM_RUN, 0), false);
      return 'over';
    }
    const union = this.#unionBytes().slice();
    const levels = kvmRunSyncRegs.view(memory, page).device_irq_level;
    const ret = syscalls.ioctl(fd, KVM_RUN, 0);
    const run = kvmRun.view(memory, page);
    if (ret === 0 && run.exit_reason === VKVM_EXIT_IDLE) {
      const deadline = vkvmRunIdle.view(memory, page).deadline_ns;
      // A waiting KVM_RUN of Linux has written nothing yet.
      this.#unionBytes().set(union);
      run.exit_reason = KVM_EXIT_UNKNOWN;
      return deadline === NO_DEADLINE ? Infinity : Number(deadline);
    }
    const sliceIsOver =
      ret === -EINTR &&
      run.exit_reason === KVM_EXIT_INTR &&
      run.immediate_exit === 0 &&
      kvmRunSyncRegs.view(memory, page).device_irq_level === levels;
    if (sliceIsOver) return 'busy';
    this.#end(ret, false);
    return 'over';
  }

  /** Ends it from outside, as a signal does. */
  kick(): RunResult {
    const { memory, page, syscalls, fd } = this.#options;
    if (this.#result) return this.#result;
    if (page !== undefined) Atomics.add(new Int32Array(memory.buffer, page + VKVM_KICK_OFFSET, 1), 0, 1);
    return this.#end(syscalls.ioctl(fd, KVM_RUN, 0), true);
  }

  #end(ret: number, kicked: boolean): RunResult {
    const { memory, page } = this.#options;
    if (page !== undefined) kvmRun.view(memory, page).immediate_exit = 0;
    return (this.#result = { ret, kicked });
  }

  /** The part of the union that the exit of a waiting vCPU overwrites. */
  #unionBytes(): Uint8Array {
    const { memory, page } = this.#options;
    const start = kvmRun.offsets.padding;
    return new Uint8Array(memory.buffer, (page ?? 0) + start, vkvmRunIdle.size - start);
  }
}
