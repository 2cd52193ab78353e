import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteSink } from './leb128.ts';

const written = (write: (sink: ByteSink) => void): number[] => {
  const sink = new ByteSink();
  write(sink);
  return [...sink.done()];
};

/** The inverse of what is tested, after the grammar. Source: WebAssembly core specification, section 5.2.2. */
function decode(bytes: readonly number[], signed: boolean): bigint {
  let value = 0n;
  bytes.forEach((byte, i) => (value |= BigInt(byte & 0x7f) << BigInt(7 * i)));
  return signed ? BigInt.asIntN(7 * bytes.length, value) : value;
}

/** All but the last byte go on, and no shorter form says the same. */
function expectMinimal(bytes: readonly number[], signed: boolean): void {
  bytes.forEach((byte, i) => expect(byte >> 7, `byte ${i}`).toBe(i < bytes.length - 1 ? 1 : 0));
  if (bytes.length > 1) expect(decode(bytes.slice(0, -1), signed)).not.toBe(decode(bytes, signed));
}

describe('LEB128', () => {
  test.each([
    [0, [0x00]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [624_485, [0xe5, 0x8e, 0x26]],
    [0xffff_ffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
    [-1, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])('writes %i without sign', (value, bytes) => {
    expect(written((sink) => sink.u32(value))).toEqual(bytes);
  });

  test.each([
    [0, [0x00]],
    [63, [0x3f]],
    [64, [0xc0, 0x00]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [-123_456, [0xc0, 0xbb, 0x78]],
    [0x7fff_ffff, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [-0x8000_0000, [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])('writes %i with sign', (value, bytes) => {
    expect(written((sink) => sink.s32(value))).toEqual(bytes);
    expect(written((sink) => sink.s64(BigInt(value)))).toEqual(bytes);
  });

  test('can be read back: 32 bits', () => {
    const property = fc.property(fc.integer(), (value) => {
      const unsigned = written((sink) => sink.u32(value));
      expect(decode(unsigned, false)).toBe(BigInt(value >>> 0));
      expectMinimal(unsigned, false);
      const signed = written((sink) => sink.s32(value));
      expect(decode(signed, true)).toBe(BigInt(value));
      expectMinimal(signed, true);
    });
    fc.assert(property);
  });

  test('can be read back: 64 bits, taken modulo 2⁶⁴', () => {
    const property = fc.property(fc.bigInt({ min: -(1n << 66n), max: 1n << 66n }), (value) => {
      const bytes = written((sink) => sink.s64(value));
      expect(decode(bytes, true)).toBe(BigInt.asIntN(64, value));
      expectMinimal(bytes, true);
    });
    fc.assert(property);
  });
});

describe('a byte sink', () => {
  test('grows, however much comes at once', () => {
    const sink = new ByteSink(1);
    sink.byte(1);
    sink.bytes(Uint8Array.from({ length: 1000 }, (_, i) => i));
    sink.byte(2);
    expect(sink.length).toBe(1002);
    expect([...sink.done()]).toEqual([1, ...Uint8Array.from({ length: 1000 }, (_, i) => i), 2]);
  });

  test('appends another', () => {
    const [one, two] = [new ByteSink(), new ByteSink()];
    two.bytes([2, 3]);
    one.byte(1);
    one.sink(two);
    expect([...one.view()]).toEqual([1, 2, 3]);
  });

  test('writes names with their length', () => {
    expect(written((sink) => sink.name('ab'))).toEqual([2, 0x61, 0x62]);
  });

  test('forgets what it held and keeps a copy it gave away', () => {
    const sink = new ByteSink();
    sink.bytes([1, 2]);
    const copy = sink.done();
    sink.reset();
    sink.byte(9);
    expect([[...sink.view()], [...copy]]).toEqual([[9], [1, 2]]);
  });
});
