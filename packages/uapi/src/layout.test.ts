import { describe, expect, test } from 'vitest';
import { array, bytes, s16, s32, struct, u16, u32, u64, u64n, u8 } from './layout.ts';

const sample = struct('sample', 64, {
  small: u8(0),
  pad: u8(1),
  half: u16(2),
  word: u32(4),
  long: u64(8),
  address: u64n(16),
  fd: s32(24),
  exponent: s16(28),
  data: bytes(30, 8),
  words: array(40, 3, u32),
  tail: u64(56),
});

describe('struct', () => {
  test('reads and writes little-endian at the written offsets', () => {
    const buffer = new ArrayBuffer(128);
    const view = sample.view(buffer, 32);
    view.small = 0x11;
    view.half = 0x2233;
    view.word = 0xfedcba98;
    view.long = 0x0123456789abcdefn;
    view.address = 0x12_3456_789a;
    view.fd = -1;
    view.exponent = -9;
    expect([...new Uint8Array(buffer, 32, 30)]).toEqual([
      0x11, 0, 0x33, 0x22, 0x98, 0xba, 0xdc, 0xfe, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0x9a, 0x78,
      0x56, 0x34, 0x12, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xf7, 0xff,
    ]);
    expect(view.word).toBe(0xfedcba98);
    expect(view.fd).toBe(-1);
    expect(view.exponent).toBe(-9);
    expect(view.address).toBe(0x12_3456_789a);
  });

  test('works at any alignment and on shared memory', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    sample.write(memory, 13, { long: 5n, words: [1, 2, 3] });
    expect(sample.read(memory, 13)).toMatchObject({ long: 5n, words: [1, 2, 3] });
  });

  test('sees memory that has grown when it is asked again', () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2 });
    sample.write(memory, 0, { word: 7 });
    memory.grow(1);
    expect(sample.read(memory, 0).word).toBe(7);
    sample.write(memory, 0x10000, { word: 8 });
    expect(sample.view(memory, 0x10000).word).toBe(8);
  });

  test('writes zero to every field that is not given, and nothing outside of the fields', () => {
    const buffer = new ArrayBuffer(66);
    new Uint8Array(buffer).fill(0xff);
    sample.write(buffer, 1, { word: 1 });
    const { word, tail, words, data, pad } = sample.read(buffer, 1);
    expect({ word, tail, words, pad }).toEqual({ word: 1, tail: 0n, words: [0, 0, 0], pad: 0 });
    expect([...data]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    const raw = new Uint8Array(buffer);
    expect([raw[0], raw[39], raw[40], raw[65]]).toEqual([0xff, 0xff, 0xff, 0xff]); // 39 and 40: the gap at 38
  });

  test('pads short arrays and byte strings with zero and cuts long ones', () => {
    const buffer = new ArrayBuffer(64);
    new Uint8Array(buffer).fill(0xff);
    const view = sample.view(buffer, 0);
    view.words = [9];
    view.data = Uint8Array.of(1, 2);
    expect(view.words).toEqual([9, 0, 0]);
    expect([...view.data]).toEqual([1, 2, 0, 0, 0, 0, 0, 0]);
    view.data = new Uint8Array(20).fill(3);
    expect(new Uint8Array(buffer)[38]).toBe(0xff);
  });

  test('aliases bytes instead of copying them', () => {
    const buffer = new ArrayBuffer(64);
    const view = sample.view(buffer, 0);
    const alias = view.data;
    alias[0] = 0x5a;
    expect(new Uint8Array(buffer)[30]).toBe(0x5a);
  });

  test('gives the offsets of its fields', () => {
    expect(sample.offsets).toEqual({
      small: 0,
      pad: 1,
      half: 2,
      word: 4,
      long: 8,
      address: 16,
      fd: 24,
      exponent: 28,
      data: 30,
      words: 40,
      tail: 56,
    });
  });
});

describe('u64n', () => {
  test('keeps every number below 2⁵³', () => {
    const pair = struct('pair', 8, { value: u64n(0) });
    const buffer = new ArrayBuffer(8);
    for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) {
      pair.write(buffer, 0, { value });
      expect(pair.read(buffer, 0).value).toBe(value);
    }
  });

  test('reads what is too large as too large', () => {
    const buffer = new ArrayBuffer(8);
    new BigUint64Array(buffer)[0] = 0xffff_ffff_ffff_f000n;
    expect(u64n(0).get(new DataView(buffer), 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });
});
