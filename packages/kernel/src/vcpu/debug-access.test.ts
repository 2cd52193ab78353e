import { describe, expect, test } from 'vitest';

import { accessOf } from './debug-access.ts';

const PC = 0x4000_0000n;
/** Each register holds its number times 0x1000; the stack pointer is 0x1f000. */
const x = (register: number): bigint => BigInt(register) * 0x1000n;

describe('the access that an instruction is about to make', () => {
  test.each([
    ['ldr x1, [x2, #8]', 0xf940_0441, 0x2008n, 8, 'r'],
    ['str w1, [x2]', 0xb900_0041, 0x2000n, 4, 'w'],
    ['strb w1, [x2], #1', 0x3800_1441, 0x2000n, 1, 'w'],
    ['ldrsh x1, [x2, #-2]!', 0x789f_ec41, 0x1ffen, 2, 'r'],
    ['ldur x1, [sp, #-8]', 0xf85f_83e1, 0x1_eff8n, 8, 'r'],
    ['ldr x1, [x2, x3, lsl #3]', 0xf863_7841, 0x1_a000n, 8, 'r'],
    ['stp x1, x2, [x3, #-16]!', 0xa9bf_0861, 0x2ff0n, 16, 'w'],
    ['ldp q0, q1, [x3], #32', 0xacc1_0460, 0x3000n, 32, 'r'],
    ['ldr x1, . + 8', 0x5800_0041, PC + 8n, 8, 'r'],
    ['ldxr x1, [x2]', 0xc85f_7c41, 0x2000n, 8, 'r'],
    ['stlr w1, [x2]', 0x889f_fc41, 0x2000n, 4, 'w'],
    ['ldadd x1, x3, [x2]', 0xf821_0043, 0x2000n, 8, 'rw'],
    ['cas w1, w3, [x2]', 0x88a1_7c43, 0x2000n, 4, 'rw'],
    ['ld1 {v0.16b, v1.16b}, [x2]', 0x4c40_a040, 0x2000n, 32, 'r'],
  ])('%s', (_name, word, address, bytes, kind) => {
    expect(accessOf(word, PC, x)).toEqual({
      address,
      bytes,
      isRead: kind.includes('r'),
      isWrite: kind.includes('w'),
    });
  });

  test.each([
    ['add x1, x2, x3', 0x8b03_0041],
    ['b .', 0x1400_0000],
    ['prfm pldl1keep, [x2]', 0xf980_0040],
    ['fadd d0, d1, d2', 0x1e62_2820],
  ])('is none: %s', (_name, word) => {
    expect(accessOf(word, PC, x)).toBeUndefined();
  });
});
