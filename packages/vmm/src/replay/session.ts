/** What a scenario works on: descriptors and buffers by their roles, and the kernel behind them. */
import {
  KVM_ENABLE_CAP,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  VKVM_CAP_SLICE,
  VKVM_FLUSH_ICACHE,
  errnoName,
  kvmEnableCap,
  vkvmFlushIcache,
} from '@vkvm/uapi';
import type { Process, Syscalls, UserAddress } from '@vkvm/uapi';
import { UserSpace } from '../kvm/process.ts';
import type { ReplayClock } from './clock.ts';
import { encode } from './encode.ts';
import type { Json, JsonObject } from './json.ts';
import { runFor, runToEnd } from './schedule.ts';
import { VcpuRun } from './vcpu-run.ts';
import type { RunInputs, RunResult } from './vcpu-run.ts';

/** What an operation saw, as a trace has it. */
export type Observations = JsonObject;

/** A descriptor. */
export interface Role {
  readonly fd: number;
  /** User address of kvm_run and the coalesced ring, where the descriptor is a vCPU's. */
  readonly page?: UserAddress;
}

/** A piece of user memory. */
export interface Buffer {
  readonly address: UserAddress;
  readonly size: number;
}

/** A buffer as the guest sees it. */
export interface Slot {
  /** Guest-physical address. */
  readonly base: bigint;
  readonly size: bigint;
  readonly address: UserAddress;
}

/** A scenario asks for something that has not been made, such as a buffer. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

/** What a role that was never made acts as. */
const NO_DESCRIPTOR: Role = { fd: -1 };
/** Buffers lie on multiples of this. */
const BUFFER_ALIGNMENT = 0x20_0000;
/** Bytes for the argument of a call, and as many for what it points to. */
const ARGUMENT_SIZE = 0x1_0000;
/** Below this address nothing is ever mapped. */
const NEVER_MAPPED = 0x10_0000;
/** Slices in which a vCPU that runs has surely made the kernel look at the clock. */
const MOST_SLICES = 20;
/** Instructions after which a running vCPU comes back. */
const SLICE = 25_000;

export class Session {
  readonly user: UserSpace;
  readonly syscalls: Syscalls;
  readonly clock: ReplayClock;
  /** What descriptor 0 of a Linux process stands for: one that is open, and no eventfd. */
  readonly standardInput: number;
  /** vCPUs inside KVM_RUN in a thread of their own, by role; they stay here until they are joined. */
  readonly threads = new Map<string, VcpuRun>();
  readonly #roles = new Map<string, Role>();
  readonly #buffers = new Map<string, Buffer>();
  readonly #slots: Slot[] = [];
  readonly #vms = new Set<number>();
  readonly #argument: UserAddress;

  constructor(syscalls: Syscalls, process: Process, clock: ReplayClock) {
    this.user = new UserSpace(syscalls, process);
    this.syscalls = syscalls;
    this.clock = clock;
    this.standardInput = syscalls.open('/dev/kvm');
    this.#argument = this.user.map(2 * ARGUMENT_SIZE);
  }

  /** The descriptor that a role stands for. */
  role(name: string): Role {
    return this.#roles.get(name) ?? NO_DESCRIPTOR;
  }

  /** Makes a role, or makes it again; its old descriptor stays open. */
  define(name: string, role: Role): void {
    this.#roles.set(name, role);
  }

  close(name: string): number {
    const { fd } = this.role(name);
    this.#roles.delete(name);
    this.#vms.delete(fd);
    return this.syscalls.close(fd);
  }

  /** @throws {ScenarioError} there is no such buffer, or the range is not within it */
  buffer(name: string, offset: number, length: number): UserAddress {
    const buffer = this.#buffers.get(name);
    if (!buffer) throw new ScenarioError(`there is no buffer ${name}`);
    if (offset + length > buffer.size) {
      throw new ScenarioError(`${name} has ${buffer.size} bytes; the step needs ${offset + length}`);
    }
    return buffer.address + offset;
  }

  /** Maps a buffer, and nothing right before or after it. */
  mapBuffer(name: string, size: number, readonly: boolean): void {
    const length = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
    const total = length + BUFFER_ALIGNMENT;
    const prot = readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    const start = this.syscalls.mmap(-1, total, prot, 0);
    if (start < 0) throw new ScenarioError(`no room for a buffer of ${size} bytes`);
    const address = Math.ceil(start / BUFFER_ALIGNMENT) * BUFFER_ALIGNMENT;
    if (address > start) this.syscalls.munmap(start, address - start);
    const rest = start + total - (address + length);
    if (rest > 0) this.syscalls.munmap(address + length, rest);
    this.#buffers.set(name, { address, size });
  }

  /** Puts bytes where a call can be pointed to, with zeros after them. @returns their user address */
  argument(bytes: Uint8Array): UserAddress {
    return this.#put(this.#argument, bytes);
  }

  /** A second place, for what the argument points to. */
  value(bytes: Uint8Array): UserAddress {
    return this.#put(this.#argument + ARGUMENT_SIZE, bytes);
  }

  #put(address: UserAddress, bytes: Uint8Array): UserAddress {
    if (bytes.length > ARGUMENT_SIZE)
      throw new ScenarioError(`an argument of ${bytes.length} bytes is too long`);
    const area = this.user.bytes(address, ARGUMENT_SIZE);
    area.set(bytes);
    area.fill(0, bytes.length);
    return address;
  }

  /** Notes that a memslot was made, so that guest-physical addresses can be looked up. */
  addSlot(slot: Slot): void {
    this.#slots.unshift(slot);
  }

  /** The word of guest memory at an address. @returns undefined where no buffer backs it */
  guestWord(gpa: bigint): number | undefined {
    const slot = this.#slots.find(({ base, size }) => gpa >= base && gpa + 4n <= base + size);
    if (!slot) return undefined;
    return new DataView(this.user.memory.buffer).getUint32(slot.address + Number(gpa - slot.base), true);
  }

  /** Copies user memory out. */
  read(address: UserAddress, length: number): Uint8Array {
    return this.user.bytes(address, length).slice();
  }

  /** The descriptor of a role. @param absent - stands for a role that is not named */
  descriptor(name: string | undefined, absent: number): number {
    return name === undefined ? absent : this.role(name).fd;
  }

  /**
   * A pointer that a scenario writes as a number. It stands for one at which nothing is mapped: where something is,
   * another takes its place, equally aligned.
   */
  literal(pointer: bigint): number {
    const isMapped = pointer >= NEVER_MAPPED && pointer < this.user.memory.buffer.byteLength;
    return Number(isMapped ? pointer % BigInt(NEVER_MAPPED) : pointer);
  }

  /** Begins a KVM_RUN. */
  startRun(name: string, inputs: RunInputs): VcpuRun {
    const { fd, page } = this.role(name);
    return new VcpuRun({ syscalls: this.syscalls, memory: this.user.memory, fd, page }, inputs);
  }

  /** Lets a KVM_RUN come to its end, or else kicks it, while the other threads run on. */
  finishRun(run: VcpuRun, milliseconds: number): RunResult {
    const others = [...this.threads.values()].filter((thread) => thread !== run);
    return runToEnd(this.clock, milliseconds, run, others);
  }

  /**
   * Makes a call as another thread does: while vCPUs are inside KVM_RUN. Here that is only so while it executes, so the
   * call is made out of its middle, when it looks at the clock. Not for calls that wait for vCPUs to leave guest code.
   */
  besideThreads<T>(call: () => T): T {
    const thread = [...this.threads.values()].find(({ result }) => result === undefined);
    const outcome: T[] = [];
    if (thread) {
      this.clock.interrupt(() => outcome.push(call()));
      for (let slice = 0; slice < MOST_SLICES && this.clock.isInterruptionDue; slice += 1) thread.slice();
      this.clock.interrupt(() => {});
    }
    return outcome.length > 0 ? (outcome[0] as T) : call();
  }

  /** Lets the threads run for a time. */
  runThreads(milliseconds: number): void {
    runFor(this.clock, milliseconds, [...this.threads.values()]);
  }

  /** A call with a scalar, or an address that is there already. */
  ioctl(role: string, request: number, argument: number): number {
    return this.syscalls.ioctl(this.role(role).fd, request, argument);
  }

  /** A call whose argument is passed by address. */
  call(role: string, request: number, argument: Uint8Array): number {
    return this.ioctl(role, request, this.argument(argument));
  }

  /** Has KVM_RUN of a VM's vCPUs come back instead of waiting or running on: vkvm's own, and unseen by the guest. */
  adoptVm(name: string, fd: number): void {
    this.define(name, { fd });
    this.#vms.add(fd);
    this.call(name, KVM_ENABLE_CAP, encode(kvmEnableCap, { cap: VKVM_CAP_SLICE, args: [BigInt(SLICE)] }));
  }

  /** Code may have changed: an emulated kernel sees no cache maintenance by user space. */
  flushCode(address: UserAddress, length: number): void {
    const argument = this.argument(encode(vkvmFlushIcache, { user_addr: address, len: length }));
    for (const vm of this.#vms) this.syscalls.ioctl(vm, VKVM_FLUSH_ICACHE, argument);
  }
}

/** Name of the errno of a failed call; its number where it has none. */
export const errorName = (result: number): string => errnoName(-result) ?? `errno ${-result}`;

/** A call's answer: `ret`, and `errno` where it failed. */
export const answer = (result: number): { ret: number; errno?: string } =>
  result < 0 ? { ret: -1, errno: errorName(result) } : { ret: result };

/** The answer of a call that makes a descriptor: 0, and its number is kept out. */
export const answerDescriptor = (result: number): Observations => answer(Math.min(result, 0));

/** A call's answer, and what else there is to see where it worked. */
export const answerWith = (result: number, seen: () => Readonly<Record<string, Json>>): Observations =>
  result < 0 ? answer(result) : { ...answer(result), ...seen() };
