/** What tests ask the compiler of regions. */
import { DecodeTable } from '../src/a64/decode.ts';
import { INSNS } from '../src/a64/table.ts';
import { Decoder } from '../src/interp/decoder.ts';
import { planAll } from '../src/interp/plan.ts';
import { DECODED_PAGE_SIZE, OPS_PER_PAGE, OP_SIZE } from '../src/interp/uop.ts';
import type { CompileRequest } from '../src/jit/compiler.ts';
import { Words } from '../src/state/words.ts';

const CODE = 0x1000;
const OPS = 0x8000;
const table = new DecodeTable(INSNS);

export const plan = planAll();

/** For memory that is not shared. */
export const requestOf = (
  wanted: Pick<CompileRequest, 'page' | 'entry'> & Partial<CompileRequest>,
): CompileRequest => ({
  id: 1,
  vcpu: 0x1_0000,
  shared: false,
  small: true,
  asksExactness: false,
  aligned: false,
  window: undefined,
  compiled: [],
  ...wanted,
});

/** A decoded page. @param first - index of the op where the code begins in it */
export function decodedPage(code: readonly number[], first = 0): Uint8Array<ArrayBuffer> {
  const words = new Words(new WebAssembly.Memory({ initial: 1, maximum: 1 }));
  const decoder = new Decoder(words, table, plan, () => -1);
  for (const [i, word] of code.entries()) words.set32(CODE + 4 * (first + i), word);
  for (let i = first; i < first + code.length; i++) {
    const op = OPS + OP_SIZE * i;
    if (words.get32(op) === 0) decoder.decode(op, CODE + 4 * i, new Uint32Array(OPS_PER_PAGE));
  }
  return words.u8.slice(OPS, OPS + DECODED_PAGE_SIZE);
}
