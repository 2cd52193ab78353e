/** A kernel on one thread of a process: it formats a process memory, or adopts one that another thread has formatted. */
import {
  EINVAL,
  EIO,
  ENOMEM,
  EBADF,
  EMFILE,
  ENODEV,
  ENOENT,
  EFAULT,
  KVM_RUN,
  DEFAULT_PROFILE,
  PAGE_SIZE,
  PROFILES,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
} from '@vkvm/uapi';
import type { Process, ProfileName, Syscalls } from '@vkvm/uapi';

import {
  FILE_DEVICE,
  FILE_EVENTFD,
  FILE_GUEST_MEMFD,
  FILE_ITS,
  FILE_NONE,
  FILE_SECURE,
  FILE_STATS,
  FILE_SYSTEM,
  FILE_VCPU,
  FILE_VM,
  closeFile,
  fileKind,
  fileObject,
  openFile,
} from './fd-table.ts';
import { defaultHost } from './host.ts';
import type { Host } from './host.ts';
import { createInterpreter, Engine } from './engine/engine.ts';
import { CompilerHub } from './jit/compiler-hub.ts';
import type { RegionCompiler } from './jit/compiler.ts';
import type { Interpreter, Tier } from './engine/engine.ts';
import { ARGUMENT_SIZE, dispatch } from './ioctl/dispatch.ts';
import type { KernelThread } from './ioctl/handler.ts';
import { LAYOUT_VERSION, PROCESS_LOCK, formatArena, formattedVersion } from './state/arena.ts';
import { Block } from './state/block.ts';
import { DIRTY_RING } from './state/control.ts';
import { createEventfd, readEventfd, releaseEventfd, writeEventfd } from './state/eventfd.ts';
import { exitInternalError } from './state/exit.ts';
import { unbindIrqfd } from './state/irqfd.ts';
import { withLock } from './state/lock.ts';
import { addMapping, exposeFile, removeMappings } from './state/mappings.ts';
import { RUN_PAGE } from './state/vcpu-state.ts';
import { Words } from './state/words.ts';
import type { TraceSink } from './trace.ts';
import { getUser, putUser } from './uaccess.ts';
import { VcpuCache } from './vcpu/vcpu.ts';
import type { EngineFactory } from './vcpu/vcpu.ts';
import { ITS_VM } from './vgic/its-state.ts';
import { deliverIrqfd } from './vm/irqfd.ts';
import { DIRTY_RING_OFFSET, dirtyRingSize } from './vm/dirty-ring.ts';
import { closeGuestMemfd, mapGuestMemfd } from './vm/guest-memfd.ts';
import { closeStats, readStats } from './vm/stats-file.ts';
import { vmOf } from './vm/vcpus.ts';
import { VCPU_FILE_SIZE, destroyVm, releaseVm, retainVm } from './vm/vm.ts';

export interface KernelOptions {
  /** What the platform gives; each part that is left out comes from globals. */
  readonly host?: Partial<Host>;
  /** Where tracepoints go. Absent: nothing is traced, at no cost. */
  readonly trace?: TraceSink;
  /** What of the guest's code is compiled. A guest cannot tell. Default: what is hot. */
  readonly tier?: Tier;
  /** Called once, if hot code is compiled: another thread to do it. Absent: this thread does, between instructions. */
  readonly compiler?: () => RegionCompiler;
}

/** What a kernel is, on whatever thread. */
export interface KernelIdentity {
  /** The kernel it behaves as. Default: the newest. */
  readonly profile?: ProfileName;
}

/** A profile that there is not. */
export class ProfileError extends Error {
  override readonly name = 'ProfileError';
}

/** What another thread needs to {@link adopt} a kernel. It survives a structured clone if the memory is shared. */
export interface KernelToken {
  /** First, so that it can be read whatever follows. */
  readonly layoutVersion: number;
  readonly memory: WebAssembly.Memory;
}

/** A process memory that this kernel cannot use. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
}

/** What replaces the engine in tests. */
export interface EngineOverride {
  readonly createEngine?: EngineFactory;
}

export class Kernel {
  readonly #options: KernelOptions & EngineOverride;
  readonly #profile: number;
  #memory: WebAssembly.Memory | undefined;

  constructor({ profile = DEFAULT_PROFILE, ...options }: KernelOptions & KernelIdentity & EngineOverride) {
    this.#profile = profileNumber(profile);
    this.#options = options;
  }

  /**
   * Takes a process memory into use and gives its system calls.
   *
   * @param process - its memory is all zero, shared if other threads shall {@link adopt} it, and never grows
   * @throws {@link LayoutError} the memory is too small, or some kernel has it already
   */
  attach({ memory }: Process): Syscalls {
    const words = new Words(memory);
    if (formattedVersion(words) !== 0)
      throw new LayoutError('this process memory is attached already; adopt its token');
    if (!formatArena(words, this.#profile)) {
      throw new LayoutError(
        `a process memory of ${words.u8.length} bytes is too small: give it 64 MiB or more`,
      );
    }
    this.#memory = memory;
    return createSyscalls(words, this.#options);
  }

  /** What to send to another thread. @throws {@link LayoutError} nothing is attached */
  share(): KernelToken {
    if (!this.#memory) throw new LayoutError('attach a process before its kernel is shared');
    return { layoutVersion: LAYOUT_VERSION, memory: this.#memory };
  }
}

/**
 * Makes a kernel. It does nothing until a process is attached.
 *
 * @example
 * const kernel = createKernel();
 * const memory = new WebAssembly.Memory({ initial: 4096, maximum: 4096 });
 * const syscalls = kernel.attach({ memory });
 * const kvm = syscalls.open('/dev/kvm');
 *
 * @throws {@link ProfileError} no such profile
 */
export function createKernel(options: KernelOptions & KernelIdentity = {}): Kernel {
  return new Kernel(options);
}

/**
 * Joins a kernel from another thread: the same descriptors, VMs and vCPUs.
 *
 * @throws {@link LayoutError} the token is of a kernel with another layout of its memory
 */
export function adopt({ layoutVersion, memory }: KernelToken, options: KernelOptions = {}): Syscalls {
  if (layoutVersion !== LAYOUT_VERSION) throw wrongLayout(layoutVersion);
  const words = new Words(memory);
  const found = formattedVersion(words);
  if (found !== LAYOUT_VERSION) throw wrongLayout(found);
  return createSyscalls(words, options);
}

function profileNumber(name: string): number {
  const row = PROFILES.find((each) => each.name === name);
  if (row) return row.number;
  throw new ProfileError(`no profile ${name}; there are ${PROFILES.map((each) => each.name).join(', ')}`);
}

const wrongLayout = (found: number): LayoutError =>
  new LayoutError(
    found === 0
      ? 'no kernel has formatted this memory'
      : `the memory has layout ${found}, this kernel has layout ${LAYOUT_VERSION}: use one version of @vkvm/kernel on all threads`,
  );

/** By whether the memory is shared. They never change, and are the same for every kernel of a thread. */
const interpreters = new Map<boolean, Interpreter>();

function interpreterFor(isShared: boolean): Interpreter {
  let interpreter = interpreters.get(isShared);
  if (!interpreter) {
    interpreter = createInterpreter(isShared);
    interpreters.set(isShared, interpreter);
  }
  return interpreter;
}

function createSyscalls(
  words: Words,
  { host: given, trace, tier, compiler, createEngine }: KernelOptions & EngineOverride,
): Syscalls {
  const host: Host = { ...defaultHost(), ...given };
  const reported = new Set<string>();
  let hub: CompilerHub | undefined;
  const client = (): RegionCompiler | undefined => {
    if (!compiler || (tier ?? 'hot') !== 'hot') return undefined;
    hub ??= new CompilerHub(compiler());
    return hub.client();
  };
  const base = {
    words,
    host,
    ...(trace ? { trace } : {}),
    argument: new ArrayBuffer(ARGUMENT_SIZE),
    createEngine:
      createEngine ??
      ((options: Parameters<EngineFactory>[0]) => {
        const regionCompiler = client();
        return new Engine({
          ...options,
          ...(regionCompiler && { compiler: regionCompiler }),
          interpreter: interpreterFor(words.isShared),
          ...(tier && { tier }),
        });
      }),
    reportOnce(cause: string): void {
      if (reported.has(cause)) return;
      reported.add(cause);
      host.report(cause);
    },
  };
  const thread: KernelThread = {
    ...base,
    vcpuAt: (block) => vcpus.get(block),
    get vcpus() {
      return vcpus;
    },
  };
  const vcpus = new VcpuCache(thread);
  return new KernelSyscalls(thread);
}

const OPEN_PATH = '/dev/kvm';
const EVENTFD_FLAGS = EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK;
const MAX_EVENTFD_INITIAL = 0xffff_ffff;
const COUNT_SIZE = 8;
const PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC;

/** The boundary. Nothing is thrown across it: a mistake of ours is -EIO and a report. */
class KernelSyscalls implements Syscalls {
  readonly #thread: KernelThread;

  constructor(thread: KernelThread) {
    this.#thread = thread;
  }

  open(path: '/dev/kvm'): number {
    if (path !== OPEN_PATH) return -ENOENT;
    return this.#guard('open', (words) => openFile(words, FILE_SYSTEM, 0));
  }

  close(fd: number): number {
    return this.#release('close', (words, released) => closeDescriptor(words, fd, released));
  }

  ioctl(fd: number, request: number, arg = 0): number {
    const thread = this.#thread;
    let result: number;
    try {
      result = dispatch(thread, fd, request >>> 0, arg);
    } catch (error) {
      result = this.#fail(`ioctl 0x${(request >>> 0).toString(16)}`, error);
      if (request === KVM_RUN && fileKind(thread.words, fd) === FILE_VCPU) {
        exitInternalError(new Block(thread.words, fileObject(thread.words, fd)));
      }
    }
    thread.trace?.kvm_ioctl?.(fd, request, result);
    return result;
  }

  mmap(fd: number, length: number, prot: number, offset: number): number {
    return this.#guard('mmap', (words) => {
      if (!(Number.isInteger(length) && length > 0) || (prot & ~PROT_ALL) !== 0) return -EINVAL;
      if (!(Number.isInteger(offset) && offset >= 0 && offset % PAGE_SIZE === 0)) return -EINVAL;
      if (length > words.u8.length) return -ENOMEM;
      return fd === -1
        ? addMapping(words, length, prot, 0) || -ENOMEM
        : mapFile(words, fd, length, prot, offset);
    });
  }

  munmap(address: number, length: number): number {
    return this.#release('munmap', (words, released) => {
      if (!Number.isInteger(address) || address < 0 || address % PAGE_SIZE !== 0) return -EINVAL;
      if (!(Number.isInteger(length) && length > 0)) return -EINVAL;
      const files = removeMappings(words, address, length);
      if (!files) return -ENOMEM;
      released.push(...files.map((vcpu) => vmOf(new Block(words, vcpu))));
      return 0;
    });
  }

  eventfd(initial: number, flags: number): number {
    return this.#guard('eventfd', (words) => {
      if ((flags & ~EVENTFD_FLAGS) !== 0) return -EINVAL;
      if (!(Number.isInteger(initial) && initial >= 0 && initial <= MAX_EVENTFD_INITIAL)) return -EINVAL;
      const eventfd = createEventfd(words, initial, flags);
      if (eventfd === 0) return -EMFILE;
      const fd = openFile(words, FILE_EVENTFD, eventfd);
      if (fd < 0) releaseEventfd(words, eventfd);
      return fd;
    });
  }

  read(fd: number, address: number, length: number): number {
    return this.#guard('read', (words) => {
      if (fileKind(words, fd) === FILE_STATS) {
        if (!(Number.isInteger(length) && length >= 0)) return -EINVAL;
        return readStats(words, fileObject(words, fd), address, length);
      }
      const refused = checkCount(words, fd, length);
      if (refused !== 0) return refused;
      const count = readEventfd(words, fileObject(words, fd));
      if (typeof count === 'number') return count;
      return putUser(words, address, COUNT_SIZE, count) || COUNT_SIZE;
    });
  }

  write(fd: number, address: number, length: number): number {
    let written = 0;
    const result = this.#guard('write', (words) => {
      const refused = checkCount(words, fd, length);
      if (refused !== 0) return refused;
      const value = getUser(words, address, COUNT_SIZE);
      if (value === undefined) return -EFAULT;
      written = fileObject(words, fd);
      return writeEventfd(words, written, value) || COUNT_SIZE;
    });
    const { words, host } = this.#thread;
    // The interrupt controller has a lock of its own, which comes before the process lock.
    if (result > 0) deliverIrqfd(words, written, host);
    return result;
  }

  /** Runs a system call that may let go of VMs, and ends those that nothing refers to any more. */
  #release(name: string, body: (words: Words, released: Block[]) => number): number {
    const ended: Block[] = [];
    const result = this.#guard(name, (words) => {
      const released: Block[] = [];
      const answer = body(words, released);
      ended.push(...released.filter(releaseVm));
      return answer;
    });
    try {
      for (const vm of ended) destroyVm(vm, this.#thread.host);
    } catch (error) {
      return this.#fail(name, error);
    }
    return result;
  }

  /** Runs a system call other than ioctl, with the process lock held. */
  #guard(name: string, body: (words: Words) => number): number {
    const { words, host } = this.#thread;
    try {
      return withLock(words, PROCESS_LOCK, host, () => body(words));
    } catch (error) {
      return this.#fail(name, error);
    }
  }

  #fail(name: string, error: unknown): number {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    try {
      this.#thread.host.report(`internal error in ${name}: ${text}`);
    } catch {
      // A report that throws is the host's own mistake; the answer is EIO all the same.
    }
    return -EIO;
  }
}

/** An eventfd is read and written in pieces of 8 bytes; other files are not at all. */
function checkCount(words: Words, fd: number, length: number): number {
  const kind = fileKind(words, fd);
  if (kind === FILE_NONE) return -EBADF;
  return kind === FILE_EVENTFD && length >= COUNT_SIZE ? 0 : -EINVAL;
}

/** @param released - takes the VM that the descriptor kept */
function closeDescriptor(words: Words, fd: number, released: Block[]): number {
  const kind = fileKind(words, fd);
  if (kind === FILE_NONE) return -EBADF;
  const object = fileObject(words, fd);
  closeFile(words, fd);
  const block = new Block(words, object);
  switch (kind) {
    case FILE_VM:
    case FILE_DEVICE:
      released.push(block);
      break;
    case FILE_VCPU:
    case FILE_SECURE:
      released.push(vmOf(block));
      break;
    case FILE_ITS:
      released.push(new Block(words, block.get32(ITS_VM)));
      break;
    case FILE_EVENTFD:
      unbindIrqfd(words, object);
      releaseEventfd(words, object);
      break;
    case FILE_GUEST_MEMFD:
      released.push(closeGuestMemfd(words, object));
      break;
    case FILE_STATS:
      released.push(closeStats(words, object));
      break;
    case FILE_SYSTEM:
      break;
  }
  return 0;
}

/** A vCPU's file is one place in the memory, however often it is mapped: its run page, then the coalesced ring. */
function mapFile(words: Words, fd: number, length: number, prot: number, offset: number): number {
  const kind = fileKind(words, fd);
  if (kind === FILE_NONE) return -EBADF;
  if (kind === FILE_GUEST_MEMFD) return mapGuestMemfd(words, fileObject(words, fd), length, prot, offset);
  if (kind !== FILE_VCPU) return -ENODEV;
  const vcpu = new Block(words, fileObject(words, fd));
  if (offset >= DIRTY_RING_OFFSET) return mapRing(vcpu, length, prot, offset - DIRTY_RING_OFFSET);
  if (offset + length > VCPU_FILE_SIZE) return -EINVAL;
  const page = vcpu.get32(RUN_PAGE);
  if (exposeFile(words, page, prot)) retainVm(vmOf(vcpu));
  return page + offset;
}

/** The dirty ring, which is in the file at a page of its own. @param offset - from there */
function mapRing(vcpu: Block, length: number, prot: number, offset: number): number {
  const ring = vcpu.get32(DIRTY_RING);
  if (ring === 0 || offset + length > dirtyRingSize(vcpu) || (prot & PROT_EXEC) !== 0) return -EINVAL;
  if (exposeFile(vcpu.words, ring, prot)) retainVm(vmOf(vcpu));
  return ring + offset;
}
