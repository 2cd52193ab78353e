/**
 * The only way to user memory. A range outside of user mappings, or against their `prot`, is EFAULT. What is read is
 * copied once, so that user space cannot change it between check and use.
 */
import { EFAULT, PROT_READ, PROT_WRITE } from '@vkvm/uapi';

import { isAccessible } from './state/mappings.ts';
import type { Words } from './state/words.ts';

/** Copies bytes of user memory to `to`. @returns 0 or -EFAULT */
export function copyFromUser(words: Words, address: number, to: Uint8Array): number {
  if (!isAccessible(words, address, to.length, PROT_READ)) return -EFAULT;
  to.set(words.u8.subarray(address, address + to.length));
  return 0;
}

/** Copies bytes to user memory. @returns 0 or -EFAULT */
export function copyToUser(words: Words, address: number, from: Uint8Array): number {
  if (!isAccessible(words, address, from.length, PROT_WRITE)) return -EFAULT;
  words.u8.set(from, address);
  return 0;
}

/** Reads a little-endian integer of 1 to 8 bytes. @returns it, or `undefined` for EFAULT */
export function getUser(words: Words, address: number, bytes: number): bigint | undefined {
  if (!isAccessible(words, address, bytes, PROT_READ)) return undefined;
  let value = 0n;
  for (let at = bytes - 1; at >= 0; at--) value = (value << 8n) | BigInt(words.u8[address + at]!);
  return value;
}

/** Writes a little-endian integer of 1 to 8 bytes, cut to that length. @returns 0 or -EFAULT */
export function putUser(words: Words, address: number, bytes: number, value: bigint): number {
  if (!isAccessible(words, address, bytes, PROT_WRITE)) return -EFAULT;
  let rest = BigInt.asUintN(bytes * 8, value);
  for (let at = 0; at < bytes; at++) {
    words.u8[address + at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return 0;
}
