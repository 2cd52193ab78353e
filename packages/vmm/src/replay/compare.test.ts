import { describe, expect, test } from 'vitest';
import { compare, meaningful } from './compare.ts';

describe('comparing', () => {
  test('finds nothing where all is equal', () => {
    const seen = { ret: 0, x: ['0x1', '0x2'], regs: { '0x60': 'ok' } };
    expect(compare(seen, structuredClone(seen))).toEqual([]);
  });

  test('lets a tilde match anything, of any shape', () => {
    expect(compare({ x: ['~', '0x2'], regs: '~' }, { x: ['0x9', '0x2'], regs: { a: 'b' } })).toEqual([]);
    expect(compare({ data: '~' }, {})).toEqual([]);
  });

  test('tells where, what was expected and what came', () => {
    expect(compare({ ret: -1, errno: 'EFAULT' }, { ret: 0 })).toEqual([
      { path: ['ret'], expected: -1, got: 0 },
      { path: ['errno'], expected: 'EFAULT', got: undefined },
    ]);
    expect(compare({ x: ['0x1', '0x2'] }, { x: ['0x1', '0x3'] })).toEqual([
      { path: ['x', '1'], expected: '0x2', got: '0x3' },
    ]);
  });

  test('minds lengths, and what was not expected at all', () => {
    expect(compare({ x: ['0x1'] }, { x: ['0x1', '0x2'] })).toHaveLength(1);
    expect(compare({}, { kicked: true })).toEqual([{ path: ['kicked'], expected: undefined, got: true }]);
  });

  test('takes far as said of watchpoints only, and not of Linux 5.10', () => {
    const step = { hsr: '0xca000022', far: '0x1' };
    const watchpoint = { hsr: '0xd2000022', far: '0x1' };
    expect(compare(meaningful(step, '7.3.4'), { ...step, far: '0x2' })).toEqual([]);
    expect(compare(meaningful(watchpoint, '7.3.4'), { ...watchpoint, far: '0x2' })).toHaveLength(1);
    expect(compare(meaningful(watchpoint, '5.10.223'), { ...watchpoint, far: '0x2' })).toEqual([]);
  });
});
