import { describe, expect, test } from 'vitest';
import { decodedPage, plan, requestOf } from '../../test/compile-request.ts';
import { DECODED_PAGE_SIZE, OPS_PER_PAGE, OP_SIZE } from '../interp/uop.ts';
import { regionCompiler, type CompileAnswer } from './compiler.ts';

const compile = regionCompiler(plan);

/** Where regions begin. @param code - the last instructions of a page */
function entriesOf(
  code: readonly number[],
  entry: number,
  compiled: readonly number[] = [],
): readonly number[] {
  return compile(requestOf({ page: decodedPage(code, OPS_PER_PAGE - code.length), entry, compiled })).entries;
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
    decodedPage([ADD, ADD], OPS_PER_PAGE - 2),
    decodedPage([ADD, SUBS, 0x54ff_ff81, 0xd65f_03c0]), // b.ne .-16; ret
  ];
  const distance = 8 * DECODED_PAGE_SIZE;
  const rangesOf = (...request: Parameters<typeof requestOf>): unknown =>
    compile(requestOf(...request)).ranges.toSorted(([a], [b]) => a - b);
  const fromFirst = { page: before, entry: OPS_PER_PAGE - 2 };
  expect(rangesOf({ ...fromFirst, others: [{ offset: 1, page: behind, distance, compiled: [] }] })).toEqual([
    [OPS_PER_PAGE - 2, OPS_PER_PAGE],
    [OPS_PER_PAGE, OPS_PER_PAGE + 3],
    [OPS_PER_PAGE + 3, OPS_PER_PAGE + 4],
  ]);
  const fromSecond = { page: behind, entry: 0 };
  expect(
    rangesOf({
      ...fromSecond,
      others: [{ offset: -1, page: before, distance: -distance, compiled: [] }],
    }),
  ).toEqual([
    [-2, 0],
    [0, 3],
    [3, 4],
  ]);
});

test('what calls a short function of the next page is compiled with it', () => {
  const page = decodedPage([0x9400_0003, 0xf100_0442, 0x54ff_ffc1], OPS_PER_PAGE - 3); // bl; subs x2, x2, #1; b.ne bl
  const behind = decodedPage([ADD, 0xd65f_03c0]); // ret
  const others = [{ offset: 1, page: behind, distance: DECODED_PAGE_SIZE, compiled: [] }] as const;
  const { ranges } = compile(requestOf({ page, entry: OPS_PER_PAGE - 3, others }));
  expect(ranges).toContainEqual([OPS_PER_PAGE, OPS_PER_PAGE + 2]);
  // Without the function there is one block less.
  expect(compile(requestOf({ page, entry: OPS_PER_PAGE - 3 })).ranges).toEqual([
    [OPS_PER_PAGE - 3, OPS_PER_PAGE],
  ]);
});

describe('a short function of a page far away', () => {
  const FAR = 5;
  const from = 100;
  const index = FAR * OPS_PER_PAGE + from;
  const page = decodedPage([0x9400_0000 + index, 0xf100_0442, 0x54ff_ffc1]); // bl; subs x2, x2, #1; b.ne bl
  const rangesWith = (length: number): CompileAnswer['ranges'] => {
    const whole = decodedPage([...Array<number>(length).fill(ADD), 0xd65f_03c0], from); // ret
    const part = whole.slice(from * OP_SIZE, (from + length + 1) * OP_SIZE);
    const others = [{ offset: FAR, page: part, from, distance: -DECODED_PAGE_SIZE, compiled: [] }];
    return compile(requestOf({ page, entry: 0, others })).ranges;
  };

  test('is compiled with what calls it, from a part of its page', () =>
    expect(rangesWith(15)).toContainEqual([index, index + 16]));

  test('is not, if it is longer', () =>
    expect(rangesWith(16).every(([first]) => first < OPS_PER_PAGE)).toBe(true));
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
