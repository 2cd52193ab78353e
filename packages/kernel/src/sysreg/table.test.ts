import { SYSOPS, SYSREGS, sysregKey } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { SYSREG_STORE, SYSREG_STORE_END, TPIDRRO_EL0, TPIDR_EL0, VBAR_EL1 } from '../state/vcpu-state.ts';
import { SYSREG_TABLE } from '../vcpu/sysregs.ts';
import { SYSREG_DONE } from './row.ts';
import type { SysregRow } from './row.ts';
import { SysregTable } from './table.ts';

const row = (key: number, more: Partial<SysregRow> = {}): SysregRow => ({ name: `R${key}`, key, ...more });

describe('a table', () => {
  test('places storage by encoding, whatever the order of the rows', () => {
    const rows = [row(9, { stored: true }), row(3, { stored: true }), row(5)];
    for (const table of [new SysregTable(rows), new SysregTable(rows.toReversed())]) {
      expect([3, 5, 9].map((key) => table.find(key)?.offset)).toEqual([SYSREG_STORE, -1, SYSREG_STORE + 8]);
    }
  });

  test('refuses two rows of one encoding, and more storage than there is', () => {
    expect(() => new SysregTable([row(1), row(1)])).toThrow(/encoding/);
    const many = Array.from({ length: (SYSREG_STORE_END - SYSREG_STORE) / 8 + 1 }, (_, key) =>
      row(key, { stored: true }),
    );
    expect(() => new SysregTable(many)).toThrow(/do not fit/);
  });

  test('finds by the key that user space uses', () => {
    const user = { get: () => 0n, set: () => 0, key: 77 };
    const table = new SysregTable([row(3, { user }), row(4, { user: 'plain', stored: true }), row(5)]);
    expect([77, 3, 4, 5].map((key) => table.findUser(key)?.row.key)).toEqual([3, undefined, 4, undefined]);
  });

  test.each<[string, Partial<SysregRow>, boolean, boolean]>([
    ['storage for both', { stored: true, readEl: 1, writeEl: 1 }, true, true],
    ['nobody may', { stored: true }, false, false],
    ['a handler', { stored: true, readEl: 1, writeEl: 1, write: () => SYSREG_DONE }, true, false],
    ['bits that cannot be written', { stored: true, readEl: 1, writeEl: 1, writable: 1n }, true, false],
    ['not always there', { stored: true, readEl: 1, writeEl: 1, visible: () => true }, false, false],
    ['not the level its encoding speaks of', { stored: true, readEl: 0, writeEl: 0 }, false, false],
  ])('%s: plain to read and to write', (_, more, readable, writable) => {
    const key = sysregKey(3, 0, 1, 0, 0);
    const table = new SysregTable([row(key, more)]);
    expect(table.plainSysreg(key, 'read') >= 0).toBe(readable);
    expect(table.plainSysreg(key, 'write') >= 0).toBe(writable);
  });
});

describe('the table of the CPU', () => {
  test('names its rows as the ABI names their encodings', () => {
    const keyOf = (name: string): number =>
      SYSREGS[name as keyof typeof SYSREGS] ?? SYSOPS[name.replace(' ', '_') as keyof typeof SYSOPS];
    // ESB is a hint that the same port serves.
    const named = SYSREG_TABLE.rows.filter(({ row: { name } }) => name !== 'reserved' && name !== 'ESB');
    expect(named.map(({ row }) => [row.name, row.key])).toEqual(
      named.map(({ row }) => [row.name, keyOf(row.name)]),
    );
  });

  test('has in place what a kernel touches at every switch', () => {
    const plain = (key: number, direction: 'read' | 'write'): number =>
      SYSREG_TABLE.plainSysreg(key, direction);
    expect(plain(SYSREGS.TPIDR_EL0, 'write')).toBe(TPIDR_EL0);
    expect(plain(SYSREGS.TPIDRRO_EL0, 'write')).toBe(TPIDRRO_EL0);
    expect(plain(SYSREGS.VBAR_EL1, 'write')).toBe(VBAR_EL1);
    expect(plain(SYSREGS.TTBR0_EL1, 'read')).toBeGreaterThan(0);
    expect(plain(SYSREGS.TTBR0_EL1, 'write')).toBe(-1);
  });

  test('says where everything is stored that has a reset value', () => {
    const homeless = SYSREG_TABLE.rows.filter(({ row, offset }) => row.reset !== undefined && offset < 0);
    expect(homeless).toEqual([]);
  });
});
