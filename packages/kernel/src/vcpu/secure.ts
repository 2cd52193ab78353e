/**
 * The secure runtime: code that user space injects, run apart from the guest to serve its calls.
 *
 * It is a VM of one vCPU, of which user space has the registers and no more: its memslots are the runtime's own memory and what the guest
 * grants, so what it can reach is what the page walk finds there, and its engine has TLBs and decoded code of its own.
 * It runs inside of the caller's HVC or SMC, on the caller's thread.
 */
import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOMEM,
  KVM_MEM_READONLY,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  SMCCC_RET_NOT_SUPPORTED,
  VKVM_SECURE_GRANT_WRITE,
  VKVM_SECURE_MAX_GRANTS,
  vkvmSecureGrant,
} from '@vkvm/uapi';
import type { vkvmSecureLoad } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { LEAVE_BUDGET, LEAVE_PORT } from '../interp/leave.ts';
import type { Leave } from '../interp/leave.ts';
import { PROCESS_LOCK } from '../state/arena.ts';
import type { Block } from '../state/block.ts';
import { setResult } from '../state/call-registers.ts';
import { INITIALISED, VCPU_MUTEX } from '../state/control.ts';
import { lendRing, ringRoom, takeRingBack } from '../state/dirty.ts';
import { withLock } from '../state/lock.ts';
import { isAccessible } from '../state/mappings.ts';
import { findMemslot } from '../state/memslots.ts';
import { kickIndex, takeRequests } from '../state/requests.ts';
import { CPACR_EL1, PC, SP_SLOT, X } from '../state/vcpu-state.ts';
import { IPA_BITS, VM_HAS_RUN } from '../state/vm-control.ts';
import {
  GUEST_VM,
  MEMSLOT_GPA,
  MEMSLOT_LENGTH,
  MEMSLOT_USER_ADDRESS,
  SECURE_VCPU,
  SECURE_VM,
  VCPU_TABLE,
  VM_SECURE,
} from '../state/vm-state.ts';
import { inheritClock, passTime } from '../timer/clock.ts';
import { copyFromUser } from '../uaccess.ts';
import { fitsDirtyRing } from '../vm/dirty-ring.ts';
import { setMemoryRegion } from '../vm/memslots.ts';
import { createVcpu, createVm, destroyVm } from '../vm/vm.ts';
import { PORT_AGAIN } from './port.ts';
import type { PortAction } from './port.ts';
import { writePstate } from './pstate.ts';
import { dropPending, resetVcpu } from './reset.ts';

/** Of the guest's VM, beside SECURE_VM. First function id without bit 30, and how many. */
const BASE = VM_SECURE + 0x0c;
const COUNT = VM_SECURE + 0x10;
/** 64 bits each. */
const ENTRY = VM_SECURE + 0x18;
const STACK = VM_SECURE + 0x20;
const BUDGET = VM_SECURE + 0x28;
/** Pages that the runtime may write of the guest's. */
const WRITABLE_PAGES = VM_SECURE + 0x30;

const MAX_BUDGET = 2 ** 32;
/** Bit 31 of a function id: a fast call, the only kind that a runtime serves. Bit 30: the 64-bit convention. */
const FAST = 0x8000_0000;
const CONVENTION = 0x4000_0000;
/** EL1h, everything masked. */
const PSTATE = 0x3c5;
/** CPACR_EL1.FPEN: FP and AdvSIMD trap nowhere. */
const FPEN = 3n << 20n;
const ARGUMENTS = 8;
const RESULTS = 4;
const REGISTERS = 31;

/** The runtime's vCPU as the caller's thread sees it. */
export interface SecureCpu {
  readonly block: Block;
  readonly engine: {
    readonly retired: number;
    run(budget: number): Leave;
    contextChanged(): void;
    regimeChanged(): void;
    flushTlb(): void;
    flushCode(): void;
  };
  readonly traps: { hasReturned: boolean; readonly action: PortAction };
}

type LoadFields = ReturnType<typeof vkvmSecureLoad.read>;

/**
 * VKVM_SECURE_LOAD. The VM lock is held.
 *
 * @returns 0 or -errno, in this order: EBUSY a vCPU has run; EEXIST there is a runtime; EINVAL alignment, sizes, entry,
 *   ids, flags or reserved words; EFAULT memory that user space may not write, or a grant outside of the guest's
 *   memslots; EEXIST memory and grants overlap; EINVAL a dirty ring that may not hold what one call writes; ENOMEM
 */
export function loadSecure(vm: Block, load: LoadFields, host: Host): number {
  if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
  if (vm.get32(SECURE_VCPU) !== 0) return -EEXIST;
  if (!isWellFormed(load)) return -EINVAL;
  const { words } = vm;
  if (!isAccessible(words, load.user_addr, load.ram_len, PROT_READ | PROT_WRITE)) return -EFAULT;
  const secure = withLock(words, PROCESS_LOCK, host, () => createVm(words, vm.get32(IPA_BITS)));
  if (!secure) return -ENOMEM;
  const error = fill(secure, vm, load, host);
  if (error !== 0) {
    destroyVm(secure, host);
    return error;
  }
  vm.set32(SECURE_VM, secure.base);
  vm.set32(SECURE_VCPU, secure.get32(VCPU_TABLE));
  vm.set32(WRITABLE_PAGES, secure.get32(WRITABLE_PAGES));
  vm.set32(BASE, (load.base & ~CONVENTION) >>> 0);
  vm.set32(COUNT, load.count);
  vm.setNumber(ENTRY, load.entry);
  vm.setNumber(STACK, load.ram_gpa + load.ram_len);
  vm.setNumber(BUDGET, load.budget);
  return 0;
}

const isPageAligned = (value: number): boolean => value % PAGE_SIZE === 0;

function isWellFormed(load: LoadFields): boolean {
  const { user_addr, ram_gpa, ram_len, entry, budget, base, count, nr_grants } = load;
  if (load.flags !== 0 || load.reserved !== 0 || nr_grants > VKVM_SECURE_MAX_GRANTS) return false;
  if (![user_addr, ram_gpa, ram_len].every(isPageAligned) || ram_len === 0) return false;
  if (entry % 4 !== 0 || entry < ram_gpa || entry >= ram_gpa + ram_len) return false;
  if (budget === 0 || budget > MAX_BUDGET) return false;
  const first = (base & ~CONVENTION) >>> 0;
  return first >= FAST && count > 0 && first + count <= FAST + CONVENTION;
}

/** Gives the runtime its vCPU and its memslots. @returns 0 or -errno */
function fill(secure: Block, vm: Block, load: LoadFields, host: Host): number {
  const { user_addr: userAddress, ram_gpa: gpa, ram_len: size } = load;
  const error = setMemoryRegion(secure, { slot: 0, flags: 0, gpa, size, userAddress }, host);
  if (error !== 0) return error;
  for (let i = 0; i < load.nr_grants; i++) {
    const refused = grant(secure, vm, load.grants + i * vkvmSecureGrant.size, i + 1, host);
    if (refused !== 0) return refused;
  }
  if (!fitsDirtyRing(vm, secure.get32(WRITABLE_PAGES))) return -EINVAL;
  inheritClock(secure, vm);
  const vcpu = createVcpu(secure, 0, host);
  if (typeof vcpu === 'number') return vcpu;
  secure.set32(GUEST_VM, vm.base);
  resetSecure(vcpu, host);
  return 0;
}

/** Gives every register of a runtime what it has before the first call. Its mutex is held, or nobody knows it yet. */
export function resetSecure(vcpu: Block, host: Host): void {
  dropPending(vcpu);
  resetVcpu(vcpu, host);
  vcpu.set64(CPACR_EL1, FPEN);
  vcpu.set32(INITIALISED, 1);
}

/** Shares guest memory with the runtime. @param address - user address of a vkvm_secure_grant @returns 0 or -errno */
function grant(secure: Block, vm: Block, address: number, slot: number, host: Host): number {
  const bytes = new Uint8Array(vkvmSecureGrant.size);
  if (copyFromUser(vm.words, address, bytes) !== 0) return -EFAULT;
  const { gpa, len, flags, reserved } = vkvmSecureGrant.read(bytes.buffer, 0);
  if ((flags & ~VKVM_SECURE_GRANT_WRITE) !== 0 || reserved !== 0) return -EINVAL;
  if (!isPageAligned(gpa) || !isPageAligned(len) || len === 0) return -EINVAL;
  const entry = findMemslot(vm, gpa);
  if (entry < 0) return -EFAULT;
  const offset = gpa - vm.getNumber(entry + MEMSLOT_GPA);
  if (offset + len > vm.getNumber(entry + MEMSLOT_LENGTH)) return -EFAULT;
  const userAddress = vm.get32(entry + MEMSLOT_USER_ADDRESS) + offset;
  const readonly = (flags & VKVM_SECURE_GRANT_WRITE) === 0 ? KVM_MEM_READONLY : 0;
  if (readonly === 0) secure.set32(WRITABLE_PAGES, secure.get32(WRITABLE_PAGES) + len / PAGE_SIZE);
  return setMemoryRegion(secure, { slot, flags: readonly, gpa, size: len, userAddress }, host);
}

/** Whether a VM is a secure runtime's own. */
export const isSecureVm = (vm: Block): boolean => vm.get32(GUEST_VM) !== 0;

/** Whether a secure runtime serves calls of a VM's guest. */
export const hasSecureRuntime = (vm: Block): boolean => vm.get32(SECURE_VCPU) !== 0;

/** @returns block of the vCPU that serves the call that a guest's vCPU makes, or 0 */
export function secureVcpuFor(vm: Block, caller: Block): number {
  const vcpu = vm.get32(SECURE_VCPU);
  if (vcpu === 0) return 0;
  const offset = ((caller.get32(X) & ~CONVENTION) >>> 0) - vm.get32(BASE);
  return offset >= 0 && offset < vm.get32(COUNT) ? vcpu : 0;
}

/** Whether all that a call may write has room in the dirty ring of the vCPU that makes it. */
export const hasRoomForCall = (vm: Block, caller: Block): boolean =>
  ringRoom(caller) >= vm.get32(WRITABLE_PAGES);

/** Serves a call of a guest's vCPU: its x0 to x3 become the runtime's, or x0 becomes -1. */
export function callSecure(vm: Block, caller: Block, cpu: SecureCpu, host: Host): void {
  // One call at a time, whichever vCPU makes it.
  withLock(vm.words, cpu.block.base + VCPU_MUTEX, host, () => {
    enter(vm, caller, cpu);
    lendRing(caller, cpu.block);
    const hasReturned = run(cpu, vm.getNumber(BUDGET));
    takeRingBack(caller, cpu.block);
    if (!hasReturned) {
      setResult(caller, SMCCC_RET_NOT_SUPPORTED);
      return;
    }
    for (let n = 0; n < RESULTS; n++) caller.set64(X + 8 * n, cpu.block.get64(X + 8 * n));
  });
}

function enter(vm: Block, caller: Block, { block, engine, traps }: SecureCpu): void {
  writePstate(block, PSTATE);
  for (let n = 0; n < REGISTERS; n++) {
    block.set64(X + 8 * n, n < ARGUMENTS ? caller.get64(X + 8 * n) : 0n);
  }
  block.set64(SP_SLOT, vm.get64(STACK));
  block.set64(PC, vm.get64(ENTRY));
  // Nobody else runs this vCPU, so what was asked of it is done here.
  if (takeRequests(block) !== 0) {
    Atomics.store(block.words.i32, kickIndex(block), 0);
    engine.regimeChanged();
    engine.flushTlb();
    engine.flushCode();
  }
  engine.contextChanged();
  traps.hasReturned = false;
}

/** @returns whether the runtime has ended its call by itself */
function run({ block, engine, traps }: SecureCpu, budget: number): boolean {
  for (let left = budget; left > 0; left -= engine.retired + 1) {
    const leave = engine.run(left);
    passTime(block, engine.retired);
    if (leave === LEAVE_PORT && traps.hasReturned) return true;
    // A dirty ring that is nearly full ends a run early, too. There is room for this call: hasRoomForCall.
    // So does a write of a timer register, for interrupts that a runtime does not have.
    if (leave !== LEAVE_BUDGET && !(leave === LEAVE_PORT && traps.action === PORT_AGAIN)) return false;
  }
  return false;
}
