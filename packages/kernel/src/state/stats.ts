/** What is counted for KVM_GET_STATS_FD: 64-bit words in the blocks. The vCPU's thread counts; VM counts under the VM lock. */
import type { Block } from './block.ts';
import { CONTROL } from './vcpu-state.ts';
import { VM_CONTROL } from './vm-state.ts';

/** A number that only grows. */
export interface Counter {
  /** As Linux calls it: arch/arm64/kvm/guest.c, virt/kvm. */
  readonly name: string;
  /** Offset of its word in the block. */
  readonly offset: number;
}

export const HVC_EXITS: Counter = { name: 'hvc_exit_stat', offset: CONTROL + 0x180 };
export const WFE_EXITS: Counter = { name: 'wfe_exit_stat', offset: CONTROL + 0x188 };
export const WFI_EXITS: Counter = { name: 'wfi_exit_stat', offset: CONTROL + 0x190 };
export const MMIO_EXITS_USER: Counter = { name: 'mmio_exit_user', offset: CONTROL + 0x198 };
export const MMIO_EXITS_KERNEL: Counter = { name: 'mmio_exit_kernel', offset: CONTROL + 0x1a0 };
export const SIGNAL_EXITS: Counter = { name: 'signal_exits', offset: CONTROL + 0x1a8 };
export const EXITS: Counter = { name: 'exits', offset: CONTROL + 0x1b0 };
/** Of a VM: how often all vCPUs were made to drop their translations. */
export const TLB_FLUSHES: Counter = { name: 'remote_tlb_flush', offset: VM_CONTROL + 0xc0 };

export const VCPU_COUNTERS: readonly Counter[] = [
  HVC_EXITS,
  WFE_EXITS,
  WFI_EXITS,
  MMIO_EXITS_USER,
  MMIO_EXITS_KERNEL,
  SIGNAL_EXITS,
  EXITS,
];
export const VM_COUNTERS: readonly Counter[] = [TLB_FLUSHES];

/** One more. */
export function count(block: Block, { offset }: Counter): void {
  const { u32 } = block.words;
  const low = (block.base + offset) >>> 2;
  const next = (u32[low]! + 1) >>> 0;
  u32[low] = next;
  if (next === 0) u32[low + 1] = u32[low + 1]! + 1;
}
