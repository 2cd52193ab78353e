import { expect, test } from 'vitest';
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
function entriesOf(code: readonly number[], entry: number): readonly number[] {
  const words = new Words(new WebAssembly.Memory({ initial: 1, maximum: 1 }));
  const first = OPS_PER_PAGE - code.length;
  const decoder = new Decoder(words, new DecodeTable(INSNS), plan, () => -1);
  for (const [i, word] of code.entries()) words.set32(CODE + 4 * (first + i), word);
  for (let i = first; i < OPS_PER_PAGE; i++)
    decoder.decode(OPS + OP_SIZE * i, CODE + 4 * i, new Uint32Array(OPS_PER_PAGE));
  const page = words.u8.slice(OPS, OPS + DECODED_PAGE_SIZE);
  return compile({ id: 1, shared: false, asksExactness: false, aligned: false, page, entry, compiled: [] })
    .entries;
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
