/**
 * The access word: what a data access to a place without memory looked like, as a syndrome would say it.
 * Bits 1:0 log2 of the size; 2 sign-extend; 3 target register is 64 bits wide; 4 syndrome valid; 5 write;
 * 6 acquire or release; 12:8 register number (31 = XZR).
 */
export const ACCESS_SIZE = 3;
export const ACCESS_SIGNED = 1 << 2;
export const ACCESS_WIDE = 1 << 3;
export const ACCESS_SYNDROME = 1 << 4;
export const ACCESS_WRITE = 1 << 5;
export const ACCESS_ORDERED = 1 << 6;
export const ACCESS_REGISTER_SHIFT = 8;

/** @returns 1, 2, 4 or 8 */
export const accessBytes = (access: number): number => 1 << (access & ACCESS_SIZE);
