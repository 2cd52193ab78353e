/** What VKVM_GET_ENGINE_STATS tells: 64-bit words of the vCPU's block. The vCPU's thread counts. */
import type { Block } from './block.ts';
import { ENGINE_STATS, FILL_LOG_GLOBAL, FILL_LOG_NON_GLOBAL } from './vcpu-state.ts';

export const INSTRUCTIONS = ENGINE_STATS + 0x08;
export const COMPILED_INSTRUCTIONS = ENGINE_STATS + 0x10;
export const REGIONS = ENGINE_STATS + 0x18;
export const REGION_INSTRUCTIONS = ENGINE_STATS + 0x20;
export const CODE_BYTES = ENGINE_STATS + 0x28;
export const COMPILE_TIME = ENGINE_STATS + 0x30;
/** Without those that the logs still hold. */
const TLB_FILLS = ENGINE_STATS + 0x38;

/** So many more. */
export function add(vcpu: Block, counter: number, count: number): void {
  vcpu.setNumber(counter, vcpu.getNumber(counter) + count);
}

/** A log of filled TLB entries is about to be emptied. */
export function countFills(vcpu: Block, log: number): void {
  add(vcpu, TLB_FILLS, vcpu.get32(log));
}

export const tlbFills = (vcpu: Block): number =>
  vcpu.getNumber(TLB_FILLS) + vcpu.get32(FILL_LOG_GLOBAL) + vcpu.get32(FILL_LOG_NON_GLOBAL);
