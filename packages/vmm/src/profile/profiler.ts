/**
 * What a guest spends its instructions on, and vkvm its time: a look at each vCPU whenever it has retired so many
 * instructions and is outside of guest code anyway. It stands between the VMM and the kernel; without it nothing is there.
 */
import {
  KVM_ENABLE_CAP,
  KVM_GET_ONE_REG,
  KVM_REG_PC,
  KVM_REG_PSTATE,
  KVM_RUN,
  KVM_SET_USER_MEMORY_REGION,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  SYSREGS,
  VKVM_CAP_SLICE,
  VKVM_GET_ENGINE_STATS,
  kvmEnableCap,
  kvmOneReg,
  kvmUserspaceMemoryRegion,
  sysregId,
  vkvmEngineStats,
  xRegId,
} from '@vkvm/uapi';
import type { Process, RegId, Syscalls } from '@vkvm/uapi';
import { GuestMemory, type RamSlot } from './guest-memory.ts';

/** Instructions of a vCPU from one sample to the next. */
export const SAMPLE_INTERVAL = 50_000;
/** Exits for user space, of which there may be a million a second, from one look at what has retired to the next. */
const EXITS_PER_LOOK = 32;
/** Nanoseconds from one point of the timeline to the next. */
const POINT_INTERVAL = 50e6;
/** Callers that a sample has at most. */
const MAX_DEPTH = 32;
const FRAME_POINTER = 29;

/** A place where the guest was found, with the callers that its frame pointers name, innermost first. */
export interface StackSample {
  readonly el: 0 | 1;
  readonly addresses: readonly bigint[];
  count: number;
}

/** Sums since the machine was built, at one moment. Times in nanoseconds. */
export interface TimelinePoint {
  readonly time: number;
  /** In KVM_RUN, compiling included. */
  readonly running: number;
  readonly compiling: number;
  readonly idle: number;
  readonly instructions: number;
  readonly compiledInstructions: number;
  readonly exits: Readonly<Record<string, number>>;
}

/** What the machine counts itself. */
export interface Counted {
  readonly stats: { readonly exits: Readonly<Record<string, number>>; readonly idle: number };
}

export class Profiler {
  readonly stacks = new Map<string, StackSample>();
  readonly timeline: TimelinePoint[] = [];
  readonly #now: () => number;
  readonly #start: number;
  readonly #slots = new Map<number, RamSlot>();
  /** Of each vCPU, by descriptor: retired instructions, and at how many the next sample is due. */
  readonly #engines = new Map<number, { stats: EngineCounts; due: number }>();
  #running = 0;
  #exits = 0;
  #machine: Counted | undefined;
  #page = 0;

  /** @param now - monotonic nanoseconds */
  constructor(now: () => number) {
    this.#now = now;
    this.#start = now();
  }

  /** Whose exits are counted from now on. */
  observe(machine: Counted): void {
    this.#machine = machine;
    this.point();
  }

  /** Notes where things stand. */
  point(): void {
    if (!this.#machine) return;
    const { exits, idle } = this.#machine.stats;
    const counts = [...this.#engines.values()].map(({ stats }) => stats);
    const sum = (of: (counts: EngineCounts) => number): number =>
      counts.reduce((total, each) => total + of(each), 0);
    this.timeline.push({
      time: this.#now() - this.#start,
      running: this.#running,
      compiling: sum(({ compiling }) => compiling),
      idle,
      instructions: sum(({ instructions }) => instructions),
      compiledInstructions: sum(({ compiled }) => compiled),
      exits: { ...exits },
    });
  }

  /** What the VMM is to have instead of a kernel's calls. */
  watch(syscalls: Syscalls, { memory }: Process): Syscalls {
    return {
      open: (path) => syscalls.open(path),
      close: (fd) => syscalls.close(fd),
      mmap: (fd, length, prot, offset) => syscalls.mmap(fd, length, prot, offset),
      munmap: (address, length) => syscalls.munmap(address, length),
      eventfd: (initial, flags) => syscalls.eventfd(initial, flags),
      read: (fd, address, length) => syscalls.read(fd, address, length),
      write: (fd, address, length) => syscalls.write(fd, address, length),
      ioctl: (fd, request, arg) => {
        if (request === KVM_RUN) return this.#run(syscalls, memory, fd, arg);
        if (request === KVM_SET_USER_MEMORY_REGION) this.#noteSlot(memory, arg!);
        if (request === KVM_ENABLE_CAP) shortenSlice(memory, arg!);
        return syscalls.ioctl(fd, request, arg);
      },
    };
  }

  #run(syscalls: Syscalls, memory: WebAssembly.Memory, fd: number, arg: number | undefined): number {
    const start = this.#now();
    const result = syscalls.ioctl(fd, KVM_RUN, arg);
    const end = this.#now();
    this.#running += end - start;
    if (result === 0 && ++this.#exits % EXITS_PER_LOOK !== 0) return result;
    this.#page ||= syscalls.mmap(-1, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
    const stats = engineCounts(syscalls, memory, fd, this.#page);
    const { due } = this.#engines.get(fd) ?? { due: 0 };
    const missed = Math.floor((stats.instructions - due) / SAMPLE_INTERVAL) + 1;
    const isDue = missed > 0;
    this.#engines.set(fd, { stats, due: isDue ? due + missed * SAMPLE_INTERVAL : due });
    if (isDue) this.#sample(syscalls, memory, fd, missed);
    const last = this.timeline.at(-1);
    if (last && end - this.#start - last.time >= POINT_INTERVAL) this.point();
    return result;
  }

  /** @param weight - samples that this one stands for */
  #sample(syscalls: Syscalls, memory: WebAssembly.Memory, fd: number, weight: number): void {
    const page = this.#page;
    const read = (id: RegId): bigint => {
      kvmOneReg.write(memory, page, { id, addr: page + 64 });
      return syscalls.ioctl(fd, KVM_GET_ONE_REG, page) === 0
        ? new DataView(memory.buffer).getBigUint64(page + 64, true)
        : 0n;
    };
    const el = ((read(KVM_REG_PSTATE) >> 2n) & 3n) === 0n ? 0 : 1;
    const addresses = [read(KVM_REG_PC)];
    if (el === 1) {
      const sysreg = (name: 'SCTLR_EL1' | 'TCR_EL1' | 'TTBR0_EL1' | 'TTBR1_EL1'): bigint =>
        read(sysregId(SYSREGS[name]));
      const guest = new GuestMemory(memory, [...this.#slots.values()], {
        sctlr: sysreg('SCTLR_EL1'),
        tcr: sysreg('TCR_EL1'),
        ttbr0: sysreg('TTBR0_EL1'),
        ttbr1: sysreg('TTBR1_EL1'),
      });
      addresses.push(...callersOf(guest, read(xRegId(FRAME_POINTER))));
    }
    const key = addresses.join();
    const known = this.stacks.get(key);
    if (known) known.count += weight;
    else this.stacks.set(key, { el, addresses, count: weight });
  }

  #noteSlot(memory: WebAssembly.Memory, arg: number): void {
    const region = kvmUserspaceMemoryRegion.view(memory, arg);
    this.#slots.set(region.slot, {
      gpa: region.guest_phys_addr,
      size: region.memory_size,
      user: region.userspace_addr,
    });
  }
}

/** Code that never exits is to be found often enough. Several vCPUs take shorter turns by it. */
function shortenSlice(memory: WebAssembly.Memory, arg: number): void {
  const request = kvmEnableCap.view(memory, arg);
  if (request.cap === VKVM_CAP_SLICE) request.args = [BigInt(SAMPLE_INTERVAL)];
}

/** Return addresses by the frame records. Source: Arm IHI 0055 (AAPCS64), 6.4.6; a record lies above that of its callee. */
function callersOf(guest: GuestMemory, framePointer: bigint): bigint[] {
  const callers: bigint[] = [];
  for (let at = framePointer; callers.length < MAX_DEPTH && at !== 0n && (at & 7n) === 0n;) {
    const [next, link] = [guest.read(at), guest.read(at + 8n)];
    if (!link || next === undefined) break;
    callers.push(link);
    if (next <= at) break;
    at = next;
  }
  return callers;
}

interface EngineCounts {
  readonly instructions: number;
  readonly compiled: number;
  readonly compiling: number;
}

function engineCounts(
  syscalls: Syscalls,
  memory: WebAssembly.Memory,
  fd: number,
  page: number,
): EngineCounts {
  vkvmEngineStats.write(memory, page, {});
  syscalls.ioctl(fd, VKVM_GET_ENGINE_STATS, page);
  const stats = vkvmEngineStats.view(memory, page);
  return {
    instructions: stats.instructions,
    compiled: stats.compiled_instructions,
    compiling: stats.compile_ns,
  };
}
