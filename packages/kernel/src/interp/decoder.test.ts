import { expect, test } from 'vitest';
import { DecodeTable } from '../a64/decode.ts';
import { INSNS } from '../a64/table.ts';
import { Words } from '../state/words.ts';
import { planAll } from './plan.ts';
import { Decoder } from './decoder.ts';
import { HANDLER_UNDEFINED, OPS_PER_PAGE, OP_SIZE } from './uop.ts';

const CODE = 0x1000;
const OPS = 0x8000;
const ADD_X0_X1_X2 = 0x8b02_0020;
const SUB_X3_X3_1 = 0xd100_0463;
const B_SELF_PLUS_64 = 0x5400_0200; // b.eq
const RET = 0xd65f_03c0;

const words = new Words(new WebAssembly.Memory({ initial: 1, maximum: 1 }));
const plan = planAll();

/** The ops of these words, placed at an offset in the page. */
function decode(decoder: Decoder, offset: number, code: readonly number[]): number[][] {
  words.u8.fill(0, OPS, OPS + 0x4000);
  for (const [i, word] of code.entries()) words.set32(CODE + offset + 4 * i, word);
  decoder.decode(OPS + 4 * offset, CODE + offset, new Uint32Array(OPS_PER_PAGE));
  return code.map((_, i) => {
    const op = OPS + 4 * offset + OP_SIZE * i;
    return [0, 4, 8, 12].map((at) => words.get32(op + at));
  });
}

const decoder = (): Decoder => new Decoder(words, new DecodeTable(INSNS), plan, () => -1);

test('a word met again gives the op that it gave before', () => {
  const [add, sub, again, subAgain] = decode(decoder(), 0, [
    ADD_X0_X1_X2,
    SUB_X3_X3_1,
    ADD_X0_X1_X2,
    SUB_X3_X3_1,
    RET,
  ]);
  expect(again).toEqual(add);
  expect(subAgain).toEqual(sub);
  expect(sub).not.toEqual(add);
  // SUB is ADD of -1, which fills the immediate.
  expect(sub!.slice(2)).toEqual([0xffff_ffff, 0xffff_ffff]);
});

test('a branch is decoded anew in each place, since its reach differs', () => {
  const one = decoder();
  const [near] = decode(one, 0, [B_SELF_PLUS_64, RET]);
  const [far] = decode(one, 0xff0, [B_SELF_PLUS_64, RET]);
  expect(near![0]! & 0xffff).not.toBe(far![0]! & 0xffff);
});

test('decoding stops behind what control cannot pass', () => {
  const [, ret, behind] = decode(decoder(), 0, [ADD_X0_X1_X2, RET, ADD_X0_X1_X2]);
  expect(ret![0]! & 0xffff).not.toBe(0);
  expect(behind).toEqual([0, 0, 0, 0]);
});

test('a word that is no instruction is kept for the report, UDF #0 included', () => {
  const one = decoder();
  for (const word of [0, 0xffff_ffff, 0xffff_ffff]) {
    const [op] = decode(one, 0, [word]);
    expect([op![0]! & 0xffff, op![2]]).toEqual([HANDLER_UNDEFINED, word]);
  }
});
