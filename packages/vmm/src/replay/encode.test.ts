import { array, bytes, struct, u16, u32, u64 } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { encode } from './encode.ts';

const example = struct('example', 24, { a: u16(0), b: u32(4), c: array(8, 2, u32), d: u64(16) });

describe('a struct out of any integers', () => {
  test('has each truncated to its field, and zero where there is none', () => {
    expect([...encode(example, { a: 0x1_2345n, c: [1n, -1n, 7n] })]).toEqual([
      0x45, 0x23, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    expect(encode(example, { d: 2n ** 64n - 2n })[16]).toBe(0xfe);
  });

  test('takes bytes, as many as fit, and room for what follows', () => {
    const raw = struct('raw', 4, { data: bytes(0, 4) });
    expect([...encode(raw, { data: Uint8Array.of(1, 2, 3, 4, 5) }, 6)]).toEqual([1, 2, 3, 4, 0, 0]);
  });
});
