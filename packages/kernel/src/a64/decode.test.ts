import { describe, expect, test } from 'vitest';
import { DecodeTable } from './decode.ts';
import { insn, type Insn } from './pattern.ts';

const row = (name: string, pattern: string): Insn => insn(name, pattern, { emit: () => {} });

describe('the decode table', () => {
  test('finds the row whose fixed bits a word has', () => {
    const table = new DecodeTable([row('A', '0000 imm:28'), row('B', '0001 0000 imm:20 0001')]);
    expect(table.find(0x0fff_ffff)?.name).toBe('A');
    expect(table.find(0x1000_0001)?.name).toBe('B');
    expect(table.find(0x1000_0000)).toBeUndefined();
    expect(table.find(0xffff_ffff)).toBeUndefined();
  });

  test('prefers an exception to the class that it is taken from, in whatever order they come', () => {
    const wide = row('WIDE', '1111 imm:28');
    const narrow = row('NARROW', '1111 imm:23 00000');
    for (const rows of [
      [wide, narrow],
      [narrow, wide],
    ]) {
      const table = new DecodeTable(rows);
      expect(table.find(0xf000_0000)?.name).toBe('NARROW');
      expect(table.find(0xf000_0001)?.name).toBe('WIDE');
    }
  });

  test('refuses rows that claim the same word with equal right', () => {
    expect(() => new DecodeTable([row('A', '1 x:1 1 y:29'), row('B', '1 1 x:1 y:29')])).toThrow('overlap');
    expect(() => new DecodeTable([row('A', '1 x:31'), row('B', '1 y:31')])).not.toThrow();
  });
});
