/** One virtual CPU. */
import {
  KVM_ARM_VCPU_INIT,
  KVM_EXIT_UNKNOWN,
  KVM_GET_MP_STATE,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_GET_VCPU_EVENTS,
  KVM_RUN,
  KVM_SET_MP_STATE,
  KVM_SET_ONE_REG,
  KVM_SET_VCPU_EVENTS,
  VKVM_KICK_OFFSET,
  VKVM_KICK_REQUEST,
  kvmMpState,
  kvmOneReg,
  kvmRegList,
  kvmRun,
  kvmVcpuEvents,
  kvmVcpuInit,
  regSize,
} from '@vkvm/uapi';
import type { RegId, UserAddress } from '@vkvm/uapi';
import { ExitReader } from './exit.ts';
import type { Exit24, VcpuExit } from './exit.ts';
import { AttributeFile } from './attributes.ts';
import type { UserSpace } from './process.ts';

/** Distance from a request's struct to the value it points to, in the scratch page. */
const VALUE = 64;

/** An SError that waits for the guest to unmask it. */
export interface PendingSerror {
  /** ISS of its syndrome; absent on a CPU without RAS. */
  readonly syndrome?: bigint;
}

/** What a vCPU's VM knows of it. */
export interface VcpuOptions {
  readonly id: number;
  /** Bytes of its file. */
  readonly mmapSize: number;
  readonly exit24: Exit24;
}

/** A vCPU descriptor. All of its methods but {@link kick} belong to the thread that runs it. */
export class Vcpu extends AttributeFile {
  readonly id: number;
  /** User address of `kvm_run`. */
  readonly runPage: UserAddress;
  readonly #mmapSize: number;
  readonly #exits: ExitReader;
  readonly #kick: Int32Array;

  /** @param fd - what `KVM_CREATE_VCPU` answered */
  constructor(user: UserSpace, fd: number, { id, mmapSize, exit24 }: VcpuOptions) {
    super(user, fd, 'vcpu');
    this.id = id;
    this.#mmapSize = mmapSize;
    this.runPage = user.mapFile(fd, mmapSize);
    this.#exits = new ExitReader(user.memory, this.runPage, exit24);
    this.#kick = new Int32Array(user.memory.buffer, this.runPage + VKVM_KICK_OFFSET, 1);
  }

  /**
   * Resets the vCPU and fixes its features; may be repeated.
   *
   * @param target - from {@link Vm.preferredTarget}
   * @param features - `KVM_ARM_VCPU_*` bit numbers
   * @throws {KvmError} `ENOENT` an unknown feature; `EINVAL` one this kernel lacks, or other than the VM's first set
   */
  init(target: number, features: readonly number[]): void {
    const word = features.reduce((bits, feature) => bits | (1 << feature), 0) >>> 0;
    kvmVcpuInit.write(this.user.memory, this.scratch, { target, features: [word] });
    this.ioctl(KVM_ARM_VCPU_INIT, this.scratch);
  }

  /**
   * Runs the guest until it needs the VMM.
   *
   * @returns an object that the next call overwrites
   * @throws {KvmError} `ENOEXEC` not initialised; `ENOSYS` an access to no memslot that cannot be described; `EIO` the
   *   VM is dead; `EFAULT`; first-run errors of GIC and timer
   */
  run(): VcpuExit {
    const result = this.user.syscalls.ioctl(this.fd, KVM_RUN, 0);
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

  /**
   * Reads a register of up to 8 bytes.
   *
   * @throws {KvmError} `ENOENT` no such register; `ENOEXEC` the vCPU is not initialised
   */
  getReg(id: RegId): bigint {
    new DataView(this.user.memory.buffer).setBigUint64(this.scratch + VALUE, 0n, true);
    this.#oneReg(KVM_GET_ONE_REG, id);
    return new DataView(this.user.memory.buffer).getBigUint64(this.scratch + VALUE, true);
  }

  /**
   * Writes a register of up to 8 bytes.
   *
   * @throws {KvmError} `ENOENT` no such register; `EINVAL` a value it cannot hold; `EBUSY` it is frozen since the VM ran
   */
  setReg(id: RegId, value: bigint): void {
    new DataView(this.user.memory.buffer).setBigUint64(this.scratch + VALUE, value, true);
    this.#oneReg(KVM_SET_ONE_REG, id);
  }

  /** Reads a register of any size. @throws {KvmError} as {@link getReg} */
  getRegBytes(id: RegId): Uint8Array {
    this.#oneReg(KVM_GET_ONE_REG, id);
    return this.user.bytes(this.scratch + VALUE, regSize(id)).slice();
  }

  /** Writes a register of any size. @throws {KvmError} as {@link setReg} */
  setRegBytes(id: RegId, value: Uint8Array): void {
    this.user.bytes(this.scratch + VALUE, regSize(id)).set(value);
    this.#oneReg(KVM_SET_ONE_REG, id);
  }

  /** Ids of all registers. @throws {KvmError} `ENOEXEC` not initialised */
  regList(): RegId[] {
    const { memory, syscalls } = this.user;
    kvmRegList.write(memory, this.scratch, { n: 0 });
    syscalls.ioctl(this.fd, KVM_GET_REG_LIST, this.scratch); // answers E2BIG, and the true count
    const { n } = kvmRegList.view(memory, this.scratch);
    const length = kvmRegList.size + 8 * n;
    const list = this.user.map(length);
    try {
      kvmRegList.write(memory, list, { n });
      this.ioctl(KVM_GET_REG_LIST, list);
      return [...new BigUint64Array(memory.buffer, list + kvmRegList.size, n)];
    } finally {
      this.user.unmap(list, length);
    }
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

  #oneReg(request: number, id: RegId): void {
    kvmOneReg.write(this.user.memory, this.scratch, { id, addr: this.scratch + VALUE });
    this.ioctl(request, this.scratch);
  }
}
