import { describe, expect, test } from 'vitest';
import { DecodeTable } from '../a64/decode.ts';
import { INSNS } from '../a64/table.ts';
import { planAll } from '../interp/plan.ts';
import { Decoder } from '../interp/decoder.ts';
import { DECODED_PAGE_SIZE, OPS_PER_PAGE, OP_SIZE } from '../interp/uop.ts';
import { Words } from '../state/words.ts';
import { regionCompiler } from './compiler.ts';

const CODE = 0x1000;
const OPS = 0x8000;
const plan = planAll();
const compile = regionCompiler(plan);

/** Where regions begin. @param code - the last instructions of a page */
function entriesOf(
  code: readonly number[],
  entry: number,
  compiled: readonly number[] = [],
): readonly number[] {
  return compile({ ...FORM, page: decoded(code, OPS_PER_PAGE - code.length), entry, compiled }).entries;
}

const FORM = { id: 1, vcpu: 0x1_0000, shared: false, small: true, asksExactness: false, aligned: false };

/** A decoded page. @param first - where the code begins in it */
function decoded(code: readonly number[], first: number): Uint8Array<ArrayBuffer> {
  const words = new Words(new WebAssembly.Memory({ initial: 1, maximum: 1 }));
  const decoder = new Decoder(words, new DecodeTable(INSNS), plan, () => -1);
  for (const [i, word] of code.entries()) words.set32(CODE + 4 * (first + i), word);
  for (let i = first; i < first + code.length; i++)
    decoder.decode(OPS + OP_SIZE * i, CODE + 4 * i, new Uint32Array(OPS_PER_PAGE));
  return words.u8.slice(OPS, OPS + DECODED_PAGE_SIZE);
}

const ADD = 0x9100_0421; // add x1, x1, #1
const IC_IALLU = 0xd508_751f; // what the interpreter does

test('a region begins behind what the interpreter does', () => {
  expect(entriesOf([ADD, IC_IALLU, ADD], OPS_PER_PAGE - 3)).toEqual([OPS_PER_PAGE - 3, OPS_PER_PAGE - 1]);
});

test('no region begins behind the page', () => {
  expect(entriesOf([ADD, IC_IALLU], OPS_PER_PAGE - 2)).toEqual([OPS_PER_PAGE - 2]);
  expect(entriesOf([ADD], OPS_PER_PAGE)).toEqual([]);
});

test('a loop that has two ways in is entered at both', () => {
  const code = [
    ADD,
    0xb400_0042, // cbz x2, middle
    ADD, // head
    ADD, // middle
    0xf100_0463, // subs x3, x3, #1
    0x54ff_ffa1, // b.ne head
    0xd65f_03c0, // ret
  ];
  const first = OPS_PER_PAGE - code.length;
  expect(entriesOf(code, first)).toEqual([first, first + 3]);
});

test('a loop over two pages is compiled as one, from either', () => {
  const SUBS = 0xf100_0442; // subs x2, x2, #1
  const [before, behind] = [
    decoded([ADD, ADD], OPS_PER_PAGE - 2),
    decoded([ADD, SUBS, 0x54ff_ff81, 0xd65f_03c0], 0), // b.ne .-16; ret
  ];
  const distance = 8 * DECODED_PAGE_SIZE;
  const rangesOf = (...request: Parameters<typeof compile>): unknown =>
    compile(...request).ranges.toSorted(([a], [b]) => a - b);
  const common = { ...FORM, compiled: [] };
  const fromFirst = { ...common, page: before, entry: OPS_PER_PAGE - 2 };
  expect(rangesOf({ ...fromFirst, beside: [{ offset: 1, page: behind, distance, compiled: [] }] })).toEqual([
    [OPS_PER_PAGE - 2, OPS_PER_PAGE],
    [OPS_PER_PAGE, OPS_PER_PAGE + 3],
    [OPS_PER_PAGE + 3, OPS_PER_PAGE + 4],
  ]);
  const fromSecond = { ...common, page: behind, entry: 0 };
  expect(
    rangesOf({
      ...fromSecond,
      beside: [{ offset: -1, page: before, distance: -distance, compiled: [] }],
    }),
  ).toEqual([
    [-2, 0],
    [0, 3],
    [3, 4],
  ]);
});

describe('a loop in a loop', () => {
  const NEST = [
    ADD,
    0xd280_0062, // outer: mov x2, #3
    ADD, // inner
    0xf100_0442, // subs x2, x2, #1
    0x54ff_ffc1, // b.ne inner
    0xf100_0463, // subs x3, x3, #1
    0x54ff_ff61, // b.ne outer
    0xd65f_03c0, // ret
  ];
  const at = (index: number): number => OPS_PER_PAGE - NEST.length + index;

  test('is compiled from the outer one, and entered at both', () =>
    expect(entriesOf(NEST, at(2))).toEqual([at(1), at(2)]));

  test('is entered in its middle, too, if that is hot', () =>
    expect(entriesOf(NEST, at(3))).toEqual([at(1), at(2), at(3)]));

  test('is not entered where another region begins', () =>
    expect(entriesOf(NEST, at(2), [at(1)])).toEqual([at(2)]));

  test('is entered at its function, too, if that is hot', () =>
    expect(entriesOf(NEST, at(0))).toEqual([at(0), at(1), at(2)]));
});
