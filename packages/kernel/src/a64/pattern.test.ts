import { expect, test } from 'vitest';
import { insn, reachOf, signExtend, type DecodeSite } from './pattern.ts';

const site: DecodeSite = { offset: 0, plainSysreg: () => -1 };
const nothing = (): void => {};

test('a diagram gives the fixed bits and the fields', () => {
  const row = insn('ADD', 'sf:1 0 0 100010 sh:1 imm12:12 Rn:5 Rd:5', {
    operands: ({ sf, sh, imm12, Rn, Rd }) => ({ a: Rd, b: Rn, c: sf * 2 + sh, imm: imm12 }),
    emit: nothing,
  });
  expect([row.mask, row.value]).toEqual([0x7f80_0000, 0x1100_0000]);
  expect(row.operands(0x9140_0c41, site)).toEqual({ a: 1, b: 2, c: 3, imm: 3 });
});

test('a diagram of another length than 32 bits, or with other signs, is refused', () => {
  expect(() => insn('SHORT', '0101', { emit: nothing })).toThrow('SHORT: the diagram has 4 bits');
  expect(() => insn('ODD', '01x1', { emit: nothing })).toThrow('neither fixed bits nor a field');
});

test('each point of the static parameters is a handler of its own, and has its own attributes', () => {
  const emitted: unknown[] = [];
  const row = insn('MOVE', 'sf:1 hw:2 00000 imm:24', {
    statics: { width: [32, 64], hw: [0, 1, 2] },
    select: ({ sf, hw }) => (hw === 3 ? null : { width: sf ? 64 : 32, hw: hw as 0 | 1 | 2 }),
    emit: (_c, point) => emitted.push(point),
    hot: ({ width }) => width === 64,
  });
  expect(row.size).toBe(6);
  const handler = row.select(0xc000_0000, site);
  expect(row.point(handler)).toEqual({ width: 64, hw: 2 });
  expect([row.isHot(handler), row.isHot(0)]).toEqual([true, false]);
  expect(row.select(0xe000_0000, site)).toBe(-1);
  row.emit(undefined as never, handler);
  expect(emitted).toEqual([{ width: 64, hw: 2 }]);
});

test('what a word selects is asked once for all words that agree in the bits looked at', () => {
  let asked = 0;
  const row = insn('ONCE', 'op:1 size:2 imm:29', {
    statics: { size: [0, 1, 2, 3] },
    select: (fields) => {
      asked++;
      // `size` is looked at only where `op` is 0.
      return fields.op ? null : { size: fields.size as 0 | 1 | 2 | 3 };
    },
    emit: nothing,
  });
  const answers = (): number[] =>
    [0x0000_0001, 0x2000_0002, 0x4000_0000, 0x6000_0000, 0x8000_0000, 0xe000_0000].map((word) =>
      row.select(word, site),
    );
  expect(answers()).toEqual([0, 1, 2, 3, -1, -1]);
  asked = 0;
  expect([answers(), asked]).toEqual([[0, 1, 2, 3, -1, -1], 0]);
});

test('a row that looks at the site is asked each time, and is not siteless', () => {
  const row = insn('SITE', 'imm:32', {
    statics: { back: [false, true] },
    select: (_fields, { offset }) => ({ back: offset > 0 }),
    emit: nothing,
  });
  expect([row.select(1, site), row.select(1, { ...site, offset: 4 }), row.siteless]).toEqual([0, 1, false]);
});

test('fields are signed only where asked', () => {
  expect(signExtend(0x1ff, 9)).toBe(-1);
  expect(signExtend(0xff, 9)).toBe(255);
});

test('the reach of a branch is that seen from its page', () => {
  const at = { ...site, offset: 0x800 };
  expect([-0x800, 0, 4, 0x7fc, 0x800, -0x804].map((to) => reachOf(at, to))).toEqual([
    'back',
    'back',
    'ahead',
    'ahead',
    'far',
    'far',
  ]);
});
