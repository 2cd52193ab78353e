/** A scripted kernel: it remembers what it is asked, and `KVM_RUN` answers what the test wrote down. */
import {
  E2BIG,
  EBADF,
  EINTR,
  ENOENT,
  KVM_API_VERSION,
  KVM_ARM_PREFERRED_TARGET,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_DEVICE,
  KVM_CREATE_VCPU,
  KVM_CREATE_VM,
  KVM_EXIT_INTR,
  KVM_EXIT_MMIO,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_GET_API_VERSION,
  KVM_GET_MP_STATE,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_IRQ_LINE,
  KVM_REG_ARM_COPROC_MASK,
  KVM_REG_ARM_FW_FEAT_BMAP,
  KVM_REG_ARM_PSCI_VERSION,
  KVM_RUN,
  KVM_SET_MP_STATE,
  KVM_SET_ONE_REG,
  KVM_SET_USER_MEMORY_REGION,
  PSCI_1_3,
  SYSREGS,
  VKVM_EXIT_IDLE,
  kvmCreateDevice,
  kvmIrqLevel,
  kvmMpState,
  kvmOneReg,
  kvmRegList,
  kvmRun,
  kvmRunMmio,
  kvmRunSystemEvent,
  kvmUserspaceMemoryRegion,
  kvmVcpuInit,
  sysregId,
  vkvmRunIdle,
} from '@vkvm/uapi';
import type { Process, PsciVersion, RegId, Syscalls } from '@vkvm/uapi';
import { createProcess } from '../src/kvm/process.ts';

/** One answer of `KVM_RUN`: fills `kvm_run`, and returns what the ioctl returns. */
export type RunStep = (vcpu: FakeVcpu) => number;

export interface FakeVcpu {
  readonly id: number;
  readonly memory: WebAssembly.Memory;
  readonly run: number;
  readonly regs: Map<RegId, bigint>;
  mpState: number;
}

type File = 'system' | 'vm' | 'device' | FakeVcpu;

export class FakeKernel implements Syscalls {
  readonly process: Process;
  /** What `KVM_RUN` answers, in order. */
  readonly script: RunStep[] = [];
  /** What it answers when the script is used up: idle for ever. */
  rest: RunStep = idle();
  /** Values of `KVM_CHECK_EXTENSION`; 1 for those not listed. */
  readonly caps = new Map<number, number>();
  /** Answers to requests, instead of success. */
  readonly results = new Map<number, number>();
  /** Registers that one_reg answers `ENOENT` for. */
  readonly missingRegs = new Set<RegId>();
  /** What setting a register answers, instead of success. */
  readonly refusedRegs = new Map<RegId, number>();
  /** Adds to a vCPU that has just been created. */
  newVcpu: (vcpu: FakeVcpu) => void = () => {};
  /** Every ioctl but KVM_RUN and one_reg, by number. */
  readonly requests: number[] = [];
  readonly irqs: { irq: number; level: number }[] = [];
  readonly memslots: { base: number; size: number; user: number }[] = [];
  readonly vcpus: FakeVcpu[] = [];
  readonly mapped = new Map<number, number>();
  readonly #files = new Map<number, File>();
  apiVersion = KVM_API_VERSION;
  /** What KVM_REG_ARM_PSCI_VERSION of a new vCPU reads. */
  psci: PsciVersion = PSCI_1_3;
  #fd = 3;
  #top: number;

  constructor({ process = createProcess({ size: 0x400_0000, shared: false }) }: { process?: Process } = {}) {
    this.process = process;
    this.#top = process.memory.buffer.byteLength;
  }

  /** Descriptors that nobody has closed. */
  get openFiles(): number {
    return this.#files.size;
  }

  open(): number {
    return this.#create('system');
  }

  close(fd: number): number {
    return this.#files.delete(fd) ? 0 : -EBADF;
  }

  ioctl(fd: number, request: number, arg = 0): number {
    const file = this.#files.get(fd);
    if (file === undefined) return -EBADF;
    const { memory } = this.process;
    const result = this.results.get(request);
    if (result !== undefined) return result;
    if (typeof file === 'object' && request === KVM_RUN) return this.#run(file);
    if (typeof file === 'object' && (request === KVM_GET_ONE_REG || request === KVM_SET_ONE_REG)) {
      const { id, addr } = kvmOneReg.view(memory, arg);
      if (this.missingRegs.has(id)) return -ENOENT;
      const value = new DataView(memory.buffer, addr, 8);
      if (request === KVM_GET_ONE_REG) value.setBigUint64(0, file.regs.get(id) ?? 0n, true);
      else if (this.refusedRegs.has(id)) return this.refusedRegs.get(id)!;
      // The firmware's bitmaps are the VM's, whichever vCPU they are set on.
      else if ((id & KVM_REG_ARM_COPROC_MASK) === KVM_REG_ARM_FW_FEAT_BMAP)
        for (const { regs } of this.vcpus) regs.set(id, value.getBigUint64(0, true));
      else file.regs.set(id, value.getBigUint64(0, true));
      return 0;
    }
    this.requests.push(request);
    switch (request) {
      case KVM_GET_API_VERSION:
        return this.apiVersion;
      case KVM_CHECK_EXTENSION:
        return this.caps.get(arg) ?? 1;
      case KVM_GET_VCPU_MMAP_SIZE:
        return 8192;
      case KVM_CREATE_VM:
        return this.#create('vm');
      case KVM_CREATE_DEVICE:
        kvmCreateDevice.view(memory, arg).fd = this.#create('device');
        return 0;
      case KVM_CREATE_VCPU: {
        const regs = new Map<RegId, bigint>([
          [KVM_REG_ARM_PSCI_VERSION, BigInt(this.psci)],
          [sysregId(SYSREGS.MPIDR_EL1), 0x8000_0000n | BigInt(arg)],
        ]);
        const vcpu = { id: arg, memory, run: this.#allocate(8192), regs, mpState: 0 };
        this.vcpus.push(vcpu);
        this.newVcpu(vcpu);
        return this.#create(vcpu);
      }
      case KVM_GET_REG_LIST: {
        const list = kvmRegList.view(memory, arg);
        const ids = [...(file as FakeVcpu).regs.keys()].filter((id) => !this.missingRegs.has(id));
        const room = list.n;
        list.n = ids.length;
        if (room < ids.length) return -E2BIG;
        new BigUint64Array(memory.buffer, arg + kvmRegList.size, ids.length).set(ids);
        return 0;
      }
      case KVM_ARM_PREFERRED_TARGET:
        kvmVcpuInit.write(memory, arg, { target: 5 });
        return 0;
      case KVM_SET_USER_MEMORY_REGION: {
        const { guest_phys_addr, memory_size, userspace_addr } = kvmUserspaceMemoryRegion.view(memory, arg);
        this.memslots.push({ base: guest_phys_addr, size: memory_size, user: userspace_addr });
        return 0;
      }
      case KVM_IRQ_LINE:
        this.irqs.push(kvmIrqLevel.read(memory, arg));
        return 0;
      case KVM_GET_MP_STATE:
        kvmMpState.write(memory, arg, { mp_state: (file as FakeVcpu).mpState });
        return 0;
      case KVM_SET_MP_STATE:
        (file as FakeVcpu).mpState = kvmMpState.view(memory, arg).mp_state;
        return 0;
      default:
        return 0;
    }
  }

  mmap(fd: number, length: number): number {
    const file = this.#files.get(fd);
    const address = typeof file === 'object' ? file.run : this.#allocate(length);
    this.mapped.set(address, length);
    return address;
  }

  munmap(address: number): number {
    this.mapped.delete(address);
    return 0;
  }

  eventfd(): number {
    return -EBADF;
  }

  read(): number {
    return -EBADF;
  }

  write(): number {
    return -EBADF;
  }

  #run(vcpu: FakeVcpu): number {
    return (this.script.shift() ?? this.rest)(vcpu);
  }

  #create(file: File): number {
    this.#fd += 1;
    this.#files.set(this.#fd, file);
    return this.#fd;
  }

  #allocate(length: number): number {
    this.#top -= Math.ceil(length / 4096) * 4096;
    return this.#top;
  }
}

/** The guest stores, or loads; `answered` sees what the VMM put in when the vCPU runs again. */
export function mmio(address: number, access: { write: readonly number[] } | { read: number }): RunStep {
  return ({ memory, run }) => {
    kvmRun.view(memory, run).exit_reason = KVM_EXIT_MMIO;
    const isWrite = 'write' in access;
    const data = isWrite ? new Uint8Array(access.write) : new Uint8Array(access.read);
    kvmRunMmio.write(memory, run, { phys_addr: address, data, len: data.length, is_write: isWrite ? 1 : 0 });
    return 0;
  };
}

/** The guest prints a string on the PL011. */
export const print = (value: string): RunStep[] =>
  Array.from(value, (char) => mmio(0x900_0000, { write: [char.charCodeAt(0)] }));

export function systemEvent(type: number): RunStep {
  return ({ memory, run }) => {
    kvmRun.view(memory, run).exit_reason = KVM_EXIT_SYSTEM_EVENT;
    kvmRunSystemEvent.write(memory, run, { type, ndata: 1 });
    return 0;
  };
}

export function idle(deadline = 0xffff_ffff_ffff_ffffn): RunStep {
  return ({ memory, run }) => {
    kvmRun.view(memory, run).exit_reason = VKVM_EXIT_IDLE;
    vkvmRunIdle.write(memory, run, { why: 1, deadline_ns: deadline });
    return 0;
  };
}

/** The slice is used up. */
export const sliceEnd: RunStep = ({ memory, run }) => {
  kvmRun.view(memory, run).exit_reason = KVM_EXIT_INTR;
  return -EINTR;
};

/** Any other exit: its reason, the words at offset 32, and the result of the ioctl. */
export function exit(reason: number, words: readonly number[] = [], result = 0): RunStep {
  return ({ memory, run }) => {
    kvmRun.view(memory, run).exit_reason = reason;
    new Uint32Array(memory.buffer, run + 32, words.length).set(words);
    return result;
  };
}
