/** VMs: their blocks, the vCPUs in them, and what keeps them alive. */
import { EBUSY, EEXIST, EINVAL, ENOMEM, KVM_MP_STATE_RUNNABLE } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { PROCESS_LOCK, allocateBlock, freeBlock, nextGeneration } from '../state/arena.ts';
import { initPsciVersion } from '../psci/versions.ts';
import { Block } from '../state/block.ts';
import { GENERATION, MP_STATE, VCPU_ID, VCPU_INDEX, VCPU_MUTEX } from '../state/control.ts';
import { lock, withLock } from '../state/lock.ts';
import { addMapping, removeFile } from '../state/mappings.ts';
import { holds, releases } from '../state/profile.ts';
import { REQUEST_VM_DEAD, request } from '../state/requests.ts';
import {
  POOL_LIMIT,
  POOL_SIZE,
  RUN_PAGE,
  SMALL_POOL_SIZE,
  VCPUS_WITH_LARGE_POOL,
  VM_BLOCK,
  vcpuBlockSize,
} from '../state/vcpu-state.ts';
import { IPA_BITS, MAX_VCPUS, VM_DEAD, VM_LOCK, VM_REFERENCES } from '../state/vm-control.ts';
import { SECURE_VM, VCPU_COUNT, VCPU_TABLE, VM_BLOCK_SIZE } from '../state/vm-state.ts';
import type { Words } from '../state/words.ts';
import { initIdRegisters } from '../sysreg/id.ts';
import { initTimers } from '../timer/arch-timer.ts';
import { releaseItses } from '../vgic/its.ts';
import { initialised } from '../vgic/vgic.ts';
import { releaseIoEventfds } from './ioeventfd.ts';
import { releaseIrqfds } from './irqfd.ts';
import { allocateDirtyRing, freeDirtyRing } from './dirty-ring.ts';
import { releaseMemslots } from './memslots.ts';
import { findVcpu, vcpusOf } from './vcpus.ts';

/** As many vCPUs as KVM has on arm64. */
export const KVM_MAX_VCPUS = 512;
/** A vCPU's file: the kvm_run page, then the coalesced MMIO ring. */
export const VCPU_FILE_SIZE = 0x2000;

/** Makes a VM that its caller holds. The process lock is held. @returns its block, or `undefined` without room */
export function createVm(words: Words, ipaBits: number): Block | undefined {
  const base = allocateBlock(words, VM_BLOCK_SIZE);
  if (base === 0) return undefined;
  const vm = new Block(words, base);
  vm.set32(IPA_BITS, ipaBits);
  vm.set32(MAX_VCPUS, KVM_MAX_VCPUS);
  vm.set32(VM_REFERENCES, 1);
  initIdRegisters(vm);
  initPsciVersion(vm);
  return vm;
}

/** Undoes a {@link createVm}. The process lock is held. */
export function discardVm(vm: Block): void {
  freeBlock(vm.words, vm.base, VM_BLOCK_SIZE);
}

/** One more descriptor or mapping keeps the VM. The process lock is held. */
export function retainVm(vm: Block): void {
  vm.set32(VM_REFERENCES, vm.get32(VM_REFERENCES) + 1);
}

/** One less. The process lock is held. @returns whether it was the last: {@link destroyVm} is due */
export function releaseVm(vm: Block): boolean {
  const references = vm.get32(VM_REFERENCES) - 1;
  vm.set32(VM_REFERENCES, references);
  return references === 0;
}

/**
 * Takes a VM that nothing refers to any more, its vCPUs and its hold on user memory. A vCPU that another thread still
 * runs is ended first. No lock is held.
 */
export function destroyVm(vm: Block, host: Host): void {
  const { words } = vm;
  const vcpus = vcpusOf(vm);
  killVm(vm, host);
  lock(words, vm.base + VM_LOCK, host);
  for (const vcpu of vcpus) lock(words, vcpu.base + VCPU_MUTEX, host);
  const secure = vm.get32(SECURE_VM);
  const secureEnds = withLock(words, PROCESS_LOCK, host, () => {
    releaseMemslots(vm);
    releaseIoEventfds(vm);
    releaseIrqfds(vm);
    releaseItses(vm);
    for (const vcpu of vcpus.toReversed()) freeVcpu(vcpu);
    freeBlock(words, vm.base, VM_BLOCK_SIZE);
    return secure !== 0 && releaseVm(new Block(words, secure));
  });
  if (secureEnds) destroyVm(new Block(words, secure), host);
}

/** Whether the id is taken is asked before the interrupt controller. Before, after it. */
const TAKEN_FIRST = releases({ since: '7.3' });

/**
 * Makes a vCPU that is not initialised yet. The VM lock is held.
 * @returns its block; or -EINVAL id or number of vCPUs beyond the limit, -EEXIST, -EBUSY the interrupt controller is
 *   initialised, -ENOMEM
 */
export function createVcpu(vm: Block, id: number, host: Host): Block | number {
  if (id >= KVM_MAX_VCPUS) return -EINVAL;
  const count = vm.get32(VCPU_COUNT);
  if (count >= vm.get32(MAX_VCPUS)) return -EINVAL;
  const isTaken = findVcpu(vm, id) !== undefined;
  if (isTaken && holds(vm, TAKEN_FIRST)) return -EEXIST;
  if (initialised(vm)) return -EBUSY;
  if (id >= vm.get32(MAX_VCPUS)) return -EINVAL;
  if (isTaken) return -EEXIST;
  const vcpu = withLock(vm.words, PROCESS_LOCK, host, () => allocateVcpu(vm, count));
  if (!vcpu) return -ENOMEM;
  vcpu.set32(VM_BLOCK, vm.base);
  vcpu.set32(VCPU_ID, id);
  vcpu.set32(VCPU_INDEX, count);
  vcpu.set32(MP_STATE, KVM_MP_STATE_RUNNABLE);
  initTimers(vcpu, host);
  vm.set32(VCPU_TABLE + 4 * count, vcpu.base);
  vm.set32(VCPU_COUNT, count + 1);
  return vcpu;
}

/** Undoes the last {@link createVcpu}, of which nobody has heard yet. The VM lock is held. */
export function discardVcpu(vm: Block, vcpu: Block, host: Host): void {
  vm.set32(VCPU_COUNT, vm.get32(VCPU_COUNT) - 1);
  withLock(vm.words, PROCESS_LOCK, host, () => freeVcpu(vcpu));
}

function freeVcpu(vcpu: Block): void {
  removeFile(vcpu.words, vcpu.get32(RUN_PAGE));
  freeDirtyRing(vcpu);
  freeBlock(vcpu.words, vcpu.base, vcpuBlockSize(vcpu.get32(POOL_LIMIT)));
}

function allocateVcpu(vm: Block, index: number): Block | undefined {
  const { words } = vm;
  const pool = index < VCPUS_WITH_LARGE_POOL ? POOL_SIZE : SMALL_POOL_SIZE;
  const base = allocateBlock(words, vcpuBlockSize(pool));
  if (base === 0) return undefined;
  const page = addMapping(words, VCPU_FILE_SIZE, 0, base);
  if (page === 0) {
    freeBlock(words, base, vcpuBlockSize(pool));
    return undefined;
  }
  const vcpu = new Block(words, base);
  vcpu.set32(RUN_PAGE, page);
  vcpu.set32(POOL_LIMIT, pool);
  vcpu.set32(GENERATION, nextGeneration(words));
  if (allocateDirtyRing(vm, vcpu)) return vcpu;
  freeVcpu(vcpu);
  return undefined;
}

/** Every later ioctl on the VM's files answers EIO, and every KVM_RUN ends. */
export function killVm(vm: Block, host: Host): void {
  vm.set32(VM_DEAD, 1);
  for (const vcpu of vcpusOf(vm)) request(vcpu, REQUEST_VM_DEAD, host);
}
