/** Which events a VM may count: KVM_ARM_VCPU_PMU_V3_FILTER. Source: Linux Documentation/virt/kvm/devices/vcpu.rst. */
import type { Block } from '../state/block.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { EVENTS, FILTER, FILTERED } from './state.ts';

const filterOf = ({ words, base }: Block): Uint8Array =>
  words.u8.subarray(base + FILTER, base + FILTER + EVENTS / 8);

/** Allows or denies a range of events. The first range decides what the others are. The state lock is held. */
export function filterEvents(vm: Block, first: number, count: number, allowed: boolean): void {
  const filter = filterOf(vm);
  if (vm.get32(FILTERED) === 0) filter.fill(allowed ? 0 : 0xff);
  vm.set32(FILTERED, 1);
  for (let event = first; event < first + count; event++) {
    const bit = 1 << (event & 7);
    filter[event >>> 3] = allowed ? filter[event >>> 3]! | bit : filter[event >>> 3]! & ~bit;
  }
}

/** Whether a vCPU may count an event. */
export function isAllowed({ words, base }: Block, event: number): boolean {
  const vm = words.get32(base + VM_BLOCK);
  if (words.get32(vm + FILTERED) === 0) return true;
  return (words.u8[vm + FILTER + (event >>> 3)]! & (1 << (event & 7))) !== 0;
}
