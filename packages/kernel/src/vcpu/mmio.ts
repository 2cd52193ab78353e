/** An access that user space serves: the exit, and its completion on the next KVM_RUN. Nothing is committed between. */
import { KVM_EXIT_MMIO } from '@vkvm/uapi';

import {
  ACCESS_SIGNED,
  ACCESS_SIZE,
  ACCESS_WIDE,
  ACCESS_WRITE,
  accessBytes,
  accessRegister,
} from '../mmu/access.ts';
import type { Block } from '../state/block.ts';
import { MMIO_ACCESS, MMIO_NEEDED } from '../state/control.ts';
import { exitMmio, exitReason, mmioData } from '../state/exit.ts';
import { holds, releases } from '../state/profile.ts';
import { SCRATCH, X } from '../state/vcpu-state.ts';
import { stepPc } from './pstate.ts';

/** Writes the exit for the access of an ACCESS word; a store's value is in SCRATCH. */
export function beginMmio(block: Block, access: number, gpa: number): void {
  block.set32(MMIO_NEEDED, 1);
  block.set32(MMIO_ACCESS, access);
  exitMmio(block, gpa, accessBytes(access), (access & ACCESS_WRITE) === 0 ? -1 : block.base + SCRATCH);
}

/**
 * Finishes the access that the last exit asked user space for. If user space has overwritten `exit_reason`, nothing
 * happens and the guest executes the instruction again.
 * @returns whether there was one
 */
export function completeMmio(block: Block): boolean {
  if (block.get32(MMIO_NEEDED) === 0 || exitReason(block) !== KVM_EXIT_MMIO) return false;
  block.set32(MMIO_NEEDED, 0);
  const access = block.get32(MMIO_ACCESS);
  if ((access & ACCESS_WRITE) === 0) loadRegister(block, access, mmioData(block));
  stepPc(block);
  return true;
}

const XZR = 31;
/** LDRSB, LDRSH and LDRSW of what user space serves are what they say. Before, they zero-extend. */
const EXTENDS_SIGN = releases({ since: '7.3' });

/** Puts `size` bytes at an address of the process memory into the register, extended as the instruction says. */
function loadRegister(block: Block, access: number, address: number): void {
  const register = accessRegister(access);
  if (register === XZR) return;
  const size = access & ACCESS_SIZE;
  const low = block.words.get32(address);
  const slot = X + 8 * register;
  if (size === 3) {
    block.set32(slot, low);
    block.set32(slot + 4, block.words.get32(address + 4));
    return;
  }
  const unused = 32 - (8 << size);
  const signed = (access & ACCESS_SIGNED) !== 0 && holds(block, EXTENDS_SIGN);
  const value = signed ? (low << unused) >> unused : (low << unused) >>> unused;
  block.set32(slot, value);
  block.set32(slot + 4, signed && (access & ACCESS_WIDE) !== 0 && value < 0 ? -1 : 0);
}
