/**
 * Two kernels under one VMM, which sees one: each call goes to both, and what they answer, leave in memory and have in
 * registers must be the same. Both must make the same run each time: `VKVM_CAP_DETERMINISTIC`.
 */
import {
  KVM_ENABLE_CAP,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_REG_FPSR,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_REG_SP_EL0,
  KVM_REG_SP_EL1,
  KVM_RUN,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  VKVM_CAP_SLICE,
  kvmEnableCap,
  kvmOneReg,
  regSize,
  xRegId,
} from '@vkvm/uapi';
import type { Process, RegId, Syscalls } from '@vkvm/uapi';

/** One of the kernels, in an address space of its own. */
export interface Side {
  readonly syscalls: Syscalls;
  readonly process: Process;
}

export interface LockstepOptions {
  /** Instructions after which `KVM_RUN` comes back, whatever the VMM asks for. */
  readonly slice: number;
  /** Calls of `KVM_RUN` between two looks at all registers; the general ones are looked at each time. */
  readonly thorough: number;
  /** Told how many calls of `KVM_RUN` there were. */
  readonly afterRun?: (runs: number) => void;
}

/** What the sides differ in. */
export class DifferenceError extends Error {
  override readonly name = 'DifferenceError';
}

/** What is looked at whenever guest code was left. */
const GENERAL: readonly RegId[] = [
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_REG_SP_EL0,
  KVM_REG_SP_EL1,
  KVM_REG_FPSR,
  ...Array.from({ length: 31 }, (_, n) => xRegId(n)),
];

/**
 * NZCV of a saved PSTATE: after a fault it may be older in compiled code, where what follows overwrites the flags before
 * it reads them (docs/decisions/0005-regions.md). The guest has it in SPSR_EL1, in a register for a moment, and on a stack.
 */
const NZCV = 0xf000_0000n;

/** Mappings that are larger are RAM: the VMM writes them before the guest runs, and never after. */
const SMALL = 0x10_0000;

interface Mapping {
  readonly address: number;
  readonly length: number;
  readonly fd: number;
}

export class Lockstep implements Syscalls {
  /** Values that differed in {@link NZCV} alone. */
  oldFlags = 0;
  readonly #sides: readonly [Side, Side];
  readonly #options: LockstepOptions;
  readonly #mappings: Mapping[] = [];
  readonly #bytes: readonly [Buffer, Buffer];
  #runs = 0;
  readonly #ids = new Map<number, readonly RegId[]>();
  /** Where both sides have a page for our own calls. */
  #page = 0;

  constructor(sides: readonly [Side, Side], options: LockstepOptions) {
    this.#sides = sides;
    this.#options = options;
    const bytesOf = ({ process }: Side): Buffer => Buffer.from(process.memory.buffer);
    this.#bytes = [bytesOf(sides[0]), bytesOf(sides[1])];
  }

  open(path: '/dev/kvm'): number {
    return this.#both('open', (syscalls) => syscalls.open(path));
  }

  close(fd: number): number {
    return this.#both('close', (syscalls) => syscalls.close(fd));
  }

  mmap(fd: number, length: number, prot: number, offset: number): number {
    const address = this.#both('mmap', (syscalls) => syscalls.mmap(fd, length, prot, offset));
    if (address > 0) this.#mappings.push({ address, length, fd });
    return address;
  }

  munmap(address: number, length: number): number {
    return this.#both('munmap', (syscalls) => syscalls.munmap(address, length));
  }

  eventfd(initial: number, flags: number): number {
    return this.#both('eventfd', (syscalls) => syscalls.eventfd(initial, flags));
  }

  read(fd: number, address: number, length: number): number {
    return this.#both('read', (syscalls) => syscalls.read(fd, address, length));
  }

  write(fd: number, address: number, length: number): number {
    this.#mirror();
    return this.#both('write', (syscalls) => syscalls.write(fd, address, length));
  }

  ioctl(fd: number, request: number, arg?: number): number {
    if (request === KVM_RUN) return this.#run(fd, request, arg);
    if (request === KVM_ENABLE_CAP) this.#shortenSlice(arg!);
    this.#mirror();
    const name = `ioctl ${request.toString(16)}`;
    const result = this.#both(name, (syscalls) => syscalls.ioctl(fd, request, arg));
    for (const mapping of this.#mappings) {
      if (mapping.length < SMALL) this.#compareBytes(name, mapping);
    }
    return result;
  }

  /** Compares RAM. */
  compareMemory(): void {
    for (const mapping of this.#mappings) {
      if (mapping.length >= SMALL) this.#compareBytes('RAM', mapping);
    }
  }

  #run(fd: number, request: number, arg: number | undefined): number {
    if (this.#runs === 0) for (const mapping of this.#mappings) this.#copy(mapping);
    this.#runs++;
    const page = this.#mappings.find((mapping) => mapping.fd === fd)!;
    this.#copy(page);
    const where = `KVM_RUN ${this.#runs}`;
    const result = this.#both(where, (syscalls) => syscalls.ioctl(fd, request, arg));
    this.#compareBytes(where, page);
    const isThorough = this.#runs % this.#options.thorough === 0;
    this.#compareRegisters(where, fd, isThorough ? this.#allRegisters(fd) : GENERAL);
    this.#options.afterRun?.(this.#runs);
    return result;
  }

  #both(what: string, call: (syscalls: Syscalls) => number): number {
    const [first, second] = this.#sides.map(({ syscalls }) => call(syscalls)) as [number, number];
    if (first !== second) throw new DifferenceError(`${what}: ${first} and ${second}`);
    return first;
  }

  /** Gives the second side what the VMM has written for the first. */
  #mirror(): void {
    for (const mapping of this.#mappings) if (mapping.length < SMALL) this.#copy(mapping);
  }

  #copy({ address, length }: Mapping): void {
    this.#bytes[0].copy(this.#bytes[1], address, address, address + length);
  }

  #shortenSlice(arg: number): void {
    const request = kvmEnableCap.view(this.#sides[0].process.memory, arg);
    if (request.cap === VKVM_CAP_SLICE) request.args = [BigInt(this.#options.slice)];
  }

  #compareBytes(what: string, { address, length }: Mapping): void {
    const [first, second] = this.#bytes;
    for (let from = address; from < address + length; from += PAGE_SIZE) {
      const to = from + PAGE_SIZE;
      if (first.compare(second, from, to, from, to) === 0) continue;
      for (let at = from; at < to; at += 8) {
        const place = `${what}: at ${(at - address).toString(16)} of ${length.toString(16)}`;
        this.#compare(place, first.readBigUInt64LE(at), second.readBigUInt64LE(at));
      }
    }
  }

  #compare(what: string, first: bigint, second: bigint): void {
    if (first === second) return;
    if (((first ^ second) & ~NZCV) !== 0n) {
      throw new DifferenceError(`${what}: ${first.toString(16)} and ${second.toString(16)}`);
    }
    this.oldFlags++;
  }

  #ownPage(): number {
    this.#page ||= this.#both('mmap', (syscalls) => syscalls.mmap(-1, PAGE_SIZE, PROT_READ | PROT_WRITE, 0));
    return this.#page;
  }

  #compareRegisters(what: string, fd: number, ids: readonly RegId[]): void {
    const page = this.#ownPage();
    const value = page + 64;
    for (const id of ids) {
      const [first, second] = this.#sides.map(({ syscalls, process }, side) => {
        const request = kvmOneReg.view(process.memory, page);
        request.id = id;
        request.addr = value;
        if (syscalls.ioctl(fd, KVM_GET_ONE_REG, page) !== 0) throw new DifferenceError(`${what}: no ${id}`);
        return this.#bytes[side]!;
      }) as [Buffer, Buffer];
      const size = regSize(id);
      if (first.compare(second, value, value + size, value, value + size) === 0) continue;
      const name = `${what}: register ${id.toString(16)}`;
      if (size === 8) this.#compare(name, first.readBigUInt64LE(value), second.readBigUInt64LE(value));
      else throw new DifferenceError(name);
    }
  }

  /** Ids of all registers of a vCPU. */
  #allRegisters(fd: number): readonly RegId[] {
    const known = this.#ids.get(fd);
    if (known) return known;
    const page = this.#ownPage();
    const [{ syscalls, process }] = this.#sides;
    const view = new DataView(process.memory.buffer, page, PAGE_SIZE);
    view.setBigUint64(0, BigInt(PAGE_SIZE / 8 - 1), true);
    if (syscalls.ioctl(fd, KVM_GET_REG_LIST, page) !== 0) throw new DifferenceError('KVM_GET_REG_LIST');
    const count = Number(view.getBigUint64(0, true));
    const ids = Array.from({ length: count }, (_, n) => view.getBigUint64(8 + 8 * n, true) as RegId);
    this.#ids.set(fd, ids);
    return ids;
  }
}
