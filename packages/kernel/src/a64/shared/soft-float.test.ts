import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { Evaluator } from '../../eval/evaluator.ts';
import { bigint, i32, i64, number } from '../../eval/values.ts';
import { FPCR, FPSR } from '../../state/vcpu-state.ts';
import { Words } from '../../state/words.ts';
import type { I64, Routine } from '../emitter.ts';
import {
  FPCR_AHP,
  FPCR_DN,
  FPCR_FZ,
  FPCR_RMODE_SHIFT,
  FPSR_DZC,
  FPSR_IDC,
  FPSR_IOC,
  FPSR_IXC,
  FPSR_OFC,
  FPSR_UFC,
  ROUNDING,
} from './fp-format.ts';
import { SOFT_ADD, SOFT_DIV, SOFT_MUL, SOFT_MULX, SOFT_SQRT, SOFT_SUB } from './soft-float-arithmetic.ts';
import {
  NZCV_EQUAL,
  NZCV_LESS,
  NZCV_UNORDERED,
  SOFT_COMPARE,
  SOFT_MAXNM,
  SOFT_MIN,
} from './soft-float-compare.ts';
import { SOFT_CONVERT } from './soft-float-convert.ts';
import { SOFT_RECPE, SOFT_RSQRTE } from './soft-float-estimate.ts';
import { SOFT_MULADD, SOFT_RECPS } from './soft-float-fused.ts';
import { fromFixed, SOFT_INTEGRAL, toFixed } from './soft-float-integer.ts';

const words = new Words(new WebAssembly.Memory({ initial: 1 }));
const c = new Evaluator(words, 0, { translate: () => -1 });

const setControl = (bits: number): void => words.set32(FPCR, bits);
const setRounding = (mode: number): void => setControl(mode << FPCR_RMODE_SHIFT);
const flags = (): number => words.get32(FPSR);

const view = new DataView(new ArrayBuffer(8));
const double = (value: number): bigint => {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
};
const single = (value: number): bigint => {
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
};

/** Calls a routine on bits. */
const call = (routine: Routine<readonly 'i64'[], 'i64'>, ...operands: readonly bigint[]): bigint =>
  bigint(c.call(routine, ...operands.map(i64)));
/** Calls a routine whose last operands are plain numbers. */
const callWith = (
  routine: Routine<readonly ['i64', 'i32', 'i32'], 'i64'>,
  value: bigint,
  first: number,
  second: number,
): bigint => bigint(c.call(routine, i64(value), i32(first), i32(second)));
const convert = (name: keyof typeof SOFT_CONVERT, value: bigint, mode = 0): bigint =>
  bigint(c.call(SOFT_CONVERT[name], i64(value), i32(mode)) as I64);

const DEFAULT_NAN = 0x7ff8_0000_0000_0000n;
const QUIET = 0x7ff8_0000_0000_00aan;
const SIGNALLING = 0xfff0_0000_0000_00bbn;
const INFINITY = double(Infinity);
const SMALLEST_NORMAL = double(2 ** -1022);

beforeEach(() => {
  words.set32(FPCR, 0);
  words.set32(FPSR, 0);
});

describe('to nearest', () => {
  const doubles = fc.double({ noNaN: true });
  const runs = { seed: 1, numRuns: 2000 };

  test.each([
    ['sum', SOFT_ADD[64], (x: number, y: number) => x + y],
    ['difference', SOFT_SUB[64], (x: number, y: number) => x - y],
    ['product', SOFT_MUL[64], (x: number, y: number) => x * y],
    ['quotient', SOFT_DIV[64], (x: number, y: number) => x / y],
  ])('a %s is the host’s', (_name, routine, host) => {
    const property = fc.property(doubles, doubles, (x, y) => {
      const expected = host(x, y);
      const bits = Number.isNaN(expected) ? DEFAULT_NAN : double(expected);
      expect(call(routine, double(x), double(y))).toBe(bits);
    });
    expect(() => fc.assert(property, runs)).not.toThrow();
  });

  test('a root is the host’s', () => {
    const property = fc.property(doubles, (x) => {
      expect(call(SOFT_SQRT[64], double(Math.abs(x)))).toBe(double(Math.sqrt(Math.abs(x))));
    });
    expect(() => fc.assert(property, runs)).not.toThrow();
  });

  test('a double as a single is the host’s', () => {
    const property = fc.property(doubles, (x) => {
      expect(convert('64_32', double(x))).toBe(single(x));
    });
    expect(() => fc.assert(property, runs)).not.toThrow();
  });
});

describe('FPCR.RMode', () => {
  test.each([
    ['to nearest', ROUNDING.NEAREST, 1 / 3, -1 / 3],
    ['up', ROUNDING.PLUS, 0.33333333333333337, -1 / 3],
    ['down', ROUNDING.MINUS, 1 / 3, -0.33333333333333337],
    ['to zero', ROUNDING.ZERO, 1 / 3, -1 / 3],
  ])('%s rounds a third', (_name, mode, third, negative) => {
    setRounding(mode);
    expect(call(SOFT_DIV[64], double(1), double(3))).toBe(double(third));
    expect(call(SOFT_DIV[64], double(-1), double(3))).toBe(double(negative));
    expect(flags()).toBe(FPSR_IXC);
  });

  test('decides the sign of an exact zero difference', () => {
    expect(call(SOFT_SUB[64], double(1), double(1))).toBe(double(0));
    setRounding(ROUNDING.MINUS);
    expect(call(SOFT_SUB[64], double(1), double(1))).toBe(double(-0));
    expect(flags()).toBe(0);
  });

  test('decides whether overflow is infinity or the largest number', () => {
    expect(call(SOFT_MUL[64], double(2 ** 1000), double(2 ** 1000))).toBe(INFINITY);
    setRounding(ROUNDING.MINUS);
    expect(call(SOFT_MUL[64], double(2 ** 1000), double(2 ** 1000))).toBe(double(Number.MAX_VALUE));
    expect(flags()).toBe(FPSR_OFC | FPSR_IXC);
  });
});

describe('underflow', () => {
  test('is found before rounding: a product that rounds up to the smallest normal is tiny', () => {
    const below = double(1 - 2 ** -53);
    expect(call(SOFT_MUL[64], SMALLEST_NORMAL, below)).toBe(SMALLEST_NORMAL);
    expect(flags()).toBe(FPSR_UFC | FPSR_IXC);
  });

  test('is not raised by an exact subnormal result', () => {
    expect(call(SOFT_MUL[64], SMALLEST_NORMAL, double(0.5))).toBe(double(2 ** -1023));
    expect(flags()).toBe(0);
  });
});

describe('FPCR.FZ', () => {
  beforeEach(() => setControl(FPCR_FZ));

  test('makes a subnormal operand zero of its sign', () => {
    expect(call(SOFT_ADD[64], double(-5e-324), double(-0))).toBe(double(-0));
    expect(flags()).toBe(FPSR_IDC);
  });

  test('makes a tiny result zero without IXC', () => {
    expect(call(SOFT_MUL[64], SMALLEST_NORMAL, double(-0.75))).toBe(double(-0));
    expect(flags()).toBe(FPSR_UFC);
  });

  test('leaves half precision alone', () => {
    expect(convert('16_64', 0x0001n)).toBe(double(2 ** -24));
    expect(convert('64_16', double(2 ** -24))).toBe(0x0001n);
    expect(flags()).toBe(0);
  });
});

describe('NaNs', () => {
  test('a signalling operand wins over an earlier quiet one, quieted', () => {
    expect(call(SOFT_ADD[64], QUIET, SIGNALLING)).toBe(0xfff8_0000_0000_00bbn);
    expect(flags()).toBe(FPSR_IOC);
  });

  test('of two quiet ones the first wins, without a flag', () => {
    expect(call(SOFT_MUL[64], QUIET, QUIET | (1n << 63n))).toBe(QUIET);
    expect(flags()).toBe(0);
  });

  test('DN makes them the default NaN', () => {
    setControl(FPCR_DN);
    expect(call(SOFT_DIV[64], QUIET, double(1))).toBe(DEFAULT_NAN);
    expect(flags()).toBe(0);
  });

  test('a conversion keeps the sign and the upper fraction bits', () => {
    expect(convert('64_32', 0xfff0_0000_2000_0000n)).toBe(0xffc0_0001n);
    expect(convert('16_64', 0x7c01n)).toBe(0x7ff8_0400_0000_0000n);
    expect(flags()).toBe(FPSR_IOC);
  });
});

describe('invalid operations and division by zero', () => {
  test.each([
    ['∞ − ∞', SOFT_SUB[64], INFINITY, INFINITY],
    ['0 × ∞', SOFT_MUL[64], double(0), INFINITY],
    ['0 ÷ 0', SOFT_DIV[64], double(0), double(0)],
  ])('%s is the default NaN', (_name, routine, x, y) => {
    expect(call(routine, x, y)).toBe(DEFAULT_NAN);
    expect(flags()).toBe(FPSR_IOC);
  });

  test('1 ÷ −0 is −∞', () => {
    expect(call(SOFT_DIV[64], double(1), double(-0))).toBe(double(-Infinity));
    expect(flags()).toBe(FPSR_DZC);
  });

  test('FMULX makes 0 × −∞ −2', () => {
    expect(call(SOFT_MULX[32], single(0), single(-Infinity))).toBe(single(-2));
    expect(flags()).toBe(0);
  });
});

describe('fused multiply-add', () => {
  test('does not round the product', () => {
    const sum = call(SOFT_MULADD[64], double(-1), double(1 + 2 ** -30), double(1 - 2 ** -30));
    expect(sum).toBe(double(-(2 ** -60)));
    expect(flags()).toBe(0);
  });

  test('keeps one bit of an addend far below the product', () => {
    setRounding(ROUNDING.PLUS);
    expect(call(SOFT_MULADD[64], double(5e-324), double(1), double(1))).toBe(double(1 + 2 ** -52));
    expect(flags()).toBe(FPSR_IXC);
  });

  test('with a quiet NaN as addend, 0 × ∞ is still invalid', () => {
    expect(call(SOFT_MULADD[64], QUIET, double(0), INFINITY)).toBe(DEFAULT_NAN);
    expect(flags()).toBe(FPSR_IOC);
  });

  test('the reciprocal step is 2 − xy, and 2 for 0 × ∞', () => {
    expect(call(SOFT_RECPS[64], double(0.5), double(3))).toBe(double(0.5));
    expect(call(SOFT_RECPS[64], double(0), INFINITY)).toBe(double(2));
    expect(flags()).toBe(0);
  });
});

describe('half precision', () => {
  test('overflows at 65520', () => {
    expect(convert('32_16', single(65519))).toBe(0x7bffn);
    expect(convert('32_16', single(65520))).toBe(0x7c00n);
    expect(flags()).toBe(FPSR_OFC | FPSR_IXC);
  });

  test('with AHP has numbers where infinity and NaNs were, and saturates', () => {
    setControl(FPCR_AHP);
    expect(convert('16_32', 0x7fffn)).toBe(single(131008));
    expect(convert('32_16', single(65536))).toBe(0x7c00n);
    expect(flags()).toBe(0);
    expect(convert('32_16', single(-1e6))).toBe(0xffffn);
    expect(flags()).toBe(FPSR_IOC);
    expect(convert('64_16', QUIET)).toBe(0n);
  });
});

test('rounding to odd sets the last bit of an inexact result', () => {
  expect(convert('64_32', double(1 + 2 ** -40), ROUNDING.ODD)).toBe(single(1) + 1n);
  expect(convert('64_32', double(1.5), ROUNDING.ODD)).toBe(single(1.5));
});

describe('integers', () => {
  const signed = { bits: 32, signed: true } as const;
  const unsigned = { bits: 64, signed: false } as const;

  test.each([
    [-(2 ** 31) - 1, 0x8000_0000n, FPSR_IOC],
    [-(2 ** 31) - 0.5, 0x8000_0000n, FPSR_IXC],
    [2 ** 31, 0x7fff_ffffn, FPSR_IOC],
    [NaN, 0n, FPSR_IOC],
    [-1.5, 0xffff_ffffn, FPSR_IXC],
  ])('%d truncates to a signed word, saturated', (value, word, raised) => {
    expect(callWith(toFixed(64, signed), double(value), 0, ROUNDING.ZERO)).toBe(word);
    expect(flags()).toBe(raised);
  });

  test('ties go away from zero or to even', () => {
    expect(callWith(toFixed(64, signed), double(2.5), 0, ROUNDING.AWAY)).toBe(3n);
    expect(callWith(toFixed(64, signed), double(2.5), 0, ROUNDING.NEAREST)).toBe(2n);
    expect(callWith(toFixed(64, signed), double(0.49999999999999994), 0, ROUNDING.AWAY)).toBe(0n);
  });

  test('fixed point scales before it rounds', () => {
    expect(callWith(toFixed(32, unsigned), single(1.25), 2, ROUNDING.ZERO)).toBe(5n);
    expect(callWith(fromFixed(32, unsigned), 5n, 2, ROUNDING.ZERO)).toBe(single(1.25));
    expect(flags()).toBe(0);
  });

  test('the largest integers round to the powers of two above them', () => {
    expect(callWith(fromFixed(64, unsigned), 2n ** 64n - 1n, 0, 0)).toBe(double(2 ** 64));
    expect(flags()).toBe(FPSR_IXC);
  });

  test('rounding to integral keeps the sign of zero, and raises IXC only if asked', () => {
    expect(callWith(SOFT_INTEGRAL[64], double(-0.5), ROUNDING.NEAREST, 0)).toBe(double(-0));
    expect(flags()).toBe(0);
    expect(callWith(SOFT_INTEGRAL[64], double(-0.5), ROUNDING.NEAREST, 1)).toBe(double(-0));
    expect(flags()).toBe(FPSR_IXC);
  });
});

describe('comparison', () => {
  const compare = (x: bigint, y: bigint, signalling: boolean): number =>
    number(c.call(SOFT_COMPARE[64], i64(x), i64(y), i32(signalling ? 1 : 0)));

  test('orders numbers, zeros being equal', () => {
    expect(compare(double(-0), double(0), false)).toBe(NZCV_EQUAL);
    expect(compare(double(-2), double(-1), false)).toBe(NZCV_LESS);
    expect(flags()).toBe(0);
  });

  test('raises IOC for a quiet NaN only if it signals', () => {
    expect(compare(QUIET, double(0), false)).toBe(NZCV_UNORDERED);
    expect(flags()).toBe(0);
    expect(compare(QUIET, double(0), true)).toBe(NZCV_UNORDERED);
    expect(flags()).toBe(FPSR_IOC);
  });

  test('the minimum of zeros is −0; a number beats a quiet NaN in maxNum', () => {
    expect(call(SOFT_MIN[64], double(0), double(-0))).toBe(double(-0));
    expect(call(SOFT_MAXNM[64], QUIET, double(-3))).toBe(double(-3));
    expect(flags()).toBe(0);
  });
});

test('estimates have eight bits and cover subnormals', () => {
  expect(call(SOFT_RECPE[32], single(1))).toBe(single(1 - 2 ** -9));
  expect(call(SOFT_RECPE[32], single(2 ** -128))).toBe(single(511 * 2 ** 119));
  expect(call(SOFT_RSQRTE[64], double(4))).toBe(double((511 / 512) * 0.5));
  expect(flags()).toBe(0);
});
