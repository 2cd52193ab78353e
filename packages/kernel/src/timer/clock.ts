/**
 * What time it is for a guest, and what is random to it: the host's, or, in a deterministic VM, what follows from the
 * instructions that its vCPUs have retired. There each takes a nanosecond, and time passes besides only while all
 * vCPUs wait. The words are the VM's; one thread runs all vCPUs of such a VM, and writes them.
 */
import { EBUSY, EINVAL } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { retiredSoFar } from '../state/retired.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { VCPU_COUNT, VM_TIMER } from '../state/vm-state.ts';

/** Words of the VM, from VM_TIMER. Not 0: the VM is deterministic. Fixed before the first vCPU. */
const DETERMINISTIC = VM_TIMER + 0x40;
/** The last state of the generator of random numbers. */
const RANDOM = VM_TIMER + 0x44;
/** Nanoseconds that have passed, without the stay in guest code that a vCPU is in. 64 bits. */
const CLOCK = VM_TIMER + 0x48;
/** Wall-clock time when the clock was 0, nanoseconds since 1970. 64 bits. */
const EPOCH = VM_TIMER + 0x50;

/** What a stay in guest code takes in which nothing retires, or a vector that faults would stop the time. */
const STALL = 200;
/** Nanoseconds that the clock can count. */
const MAX_TIME = 2 ** 53;
/** x ↦ a·x + c modulo 2³². Source: W. Press et al., Numerical Recipes, section 7.1. */
const MULTIPLIER = 1_664_525;
const INCREMENT = 1_013_904_223;

/** Whether instructions make the time of a VM. */
export const isDeterministic = (vm: Block): boolean => vm.get32(DETERMINISTIC) !== 0;

/** VKVM_CAP_DETERMINISTIC. @param epoch - wall-clock time to start at, ns @returns 0 or -errno */
export function makeDeterministic(vm: Block, epoch: bigint): number {
  if (vm.get32(VCPU_COUNT) !== 0) return -EBUSY;
  vm.set32(DETERMINISTIC, 1);
  vm.set64(EPOCH, epoch);
  return 0;
}

/** The VM of a secure runtime is as the guest's: its clock counts what the runtime retires. */
export function inheritClock(vm: Block, from: Block): void {
  for (const word of [DETERMINISTIC, RANDOM]) vm.set32(word, from.get32(word));
  for (const word of [CLOCK, EPOCH]) vm.set64(word, from.get64(word));
}

/** VKVM_CLOCK: lets time pass up to a moment. @returns what the clock shows then, or -errno */
export function advanceClock(vm: Block, to: number): number {
  if (!isDeterministic(vm) || to >= MAX_TIME) return -EINVAL;
  const now = Math.max(to, vm.getNumber(CLOCK));
  vm.setNumber(CLOCK, now);
  return now;
}

/** A vCPU has left guest code, in which it has retired some instructions. */
export function passTime(vcpu: Block, retired: number): void {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  if (words.get32(vm + DETERMINISTIC) === 0) return;
  words.setNumber(vm + CLOCK, words.getNumber(vm + CLOCK) + (retired || STALL));
}

/** Monotonic time of a vCPU, ns. */
export function monotonicTime(vcpu: Block, host: Host): number {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  if (words.get32(vm + DETERMINISTIC) === 0) return host.now();
  return words.getNumber(vm + CLOCK) + retiredSoFar(vcpu);
}

/** Wall-clock time of a vCPU, ns since 1970. */
export function wallClockTime(vcpu: Block, host: Host): bigint {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  if (words.get32(vm + DETERMINISTIC) === 0) return host.realTime();
  return words.get64(vm + EPOCH) + BigInt(monotonicTime(vcpu, host));
}

/** Fills with what is random to a vCPU. */
export function fillRandom(vcpu: Block, bytes: Uint8Array<ArrayBuffer>, host: Host): void {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  if (words.get32(vm + DETERMINISTIC) === 0) {
    host.random(bytes);
    return;
  }
  for (const index of bytes.keys()) {
    const next = Math.imul(words.get32(vm + RANDOM), MULTIPLIER) + INCREMENT;
    words.set32(vm + RANDOM, next);
    bytes[index] = next >>> 24;
  }
}
