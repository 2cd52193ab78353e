import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readSymbols } from './symbols.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a list of symbols', () => {
  const symbols = readSymbols(
    bytes(
      'ffff800008010000 T _stext\nffff800008010100 t do_one\tmodule\nffff800008010200 D data\n' +
        'ffff800008010080 W weak\n',
    ),
  );

  test.each([
    ['the first byte', 0xffff_8000_0801_0000n, '_stext'],
    ['the last byte before the next', 0xffff_8000_0801_007fn, '_stext'],
    ['a weak one', 0xffff_8000_0801_0080n, 'weak'],
    ['one of a module', 0xffff_8000_0801_0104n, 'do_one'],
    ['data, which is none', 0xffff_8000_0801_0204n, 'do_one'],
    ['before the first', 0xffff_8000_0800_ffffn, undefined],
    ['far behind the last', 0xffff_8000_0901_0000n, undefined],
  ])('finds the function of %s', (_, address, name) => {
    expect(symbols.find(address)).toBe(name);
  });

  test('that names nothing is refused', () => {
    expect(() => readSymbols(bytes('hello\n'))).toThrow('no line names a function');
  });

  test('without addresses is refused: Linux hides them from users', () => {
    expect(() => readSymbols(bytes('0000000000000000 T _stext\n'))).toThrow('as root of the guest');
  });
});

describe('an ELF file', () => {
  const elf = new Uint8Array(readFileSync(new URL('../../../../bench/guest/bench.elf', import.meta.url)));

  test('has functions, and labels of assembly', () => {
    const symbols = readSymbols(elf);
    expect(symbols.find(0x4020_1834n)).toBe('k_sieve');
    const entry = new DataView(elf.buffer).getBigUint64(24, true);
    expect(symbols.find(entry)).toBe('_start');
  });

  test('that is stripped, or cut off, is refused', () => {
    const stripped = elf.slice();
    new DataView(stripped.buffer).setUint16(60, 0, true); // no section headers
    expect(() => readSymbols(stripped)).toThrow('an ELF file without symbols');
    expect(() => readSymbols(elf.subarray(0, elf.length - 100))).toThrow('a damaged ELF file');
    expect(() => readSymbols(elf.subarray(0, 20))).toThrow('a damaged ELF file');
  });
});
