/** Group KVM_DEV_ARM_VGIC_GRP_NR_IRQS: how many interrupts a GIC has, private ones included. */
import { EBUSY, EFAULT, EINVAL } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { getUser, putUser } from '../uaccess.ts';
import { PRIVATE_COUNT, SPI_COUNT } from './state.ts';

const MIN_INTERRUPTS = PRIVATE_COUNT + 32;
const MAX_INTERRUPTS = 1023;

/** @returns 0; -EFAULT; -EINVAL no such count; -EBUSY it is chosen */
export function setInterruptCount(vm: Block, userAddress: number): number {
  const value = getUser(vm.words, userAddress, 4);
  if (value === undefined) return -EFAULT;
  const count = Number(value);
  if (count < MIN_INTERRUPTS || count > MAX_INTERRUPTS || count % 32 !== 0) return -EINVAL;
  if (vm.get32(SPI_COUNT) !== 0) return -EBUSY;
  vm.set32(SPI_COUNT, count - PRIVATE_COUNT);
  return 0;
}

/** @returns 0 or -EFAULT */
export const getInterruptCount = (vm: Block, userAddress: number): number =>
  putUser(vm.words, userAddress, 4, BigInt(PRIVATE_COUNT + vm.get32(SPI_COUNT)));
