/** What the decode table makes of a word. */
import { CODE } from '../../packages/kernel/test/cpu-state.ts';
import { DecodeTable } from '../../packages/kernel/src/a64/decode.ts';
import type { DecodeSite } from '../../packages/kernel/src/a64/pattern.ts';
import { INSNS } from '../../packages/kernel/src/a64/table.ts';

const SITE: DecodeSite = { offset: CODE & 0xfff, plainSysreg: () => -1 };
const TABLE = new DecodeTable(INSNS);

/** The row that takes a word. */
export function rowOf(word: number): string | undefined {
  const row = TABLE.find(word);
  return row && row.select(word, SITE) >= 0 ? row.name : undefined;
}

/**
 * MRS, MSR (register), SYS, SYSL: always decoded; the rows of sysreg/ say which registers there are.
 */
export const isSystemAccess = (word: number): boolean =>
  (word & 0xffd0_0000) >>> 0 === 0xd510_0000 || (word & 0xffd8_0000) >>> 0 === 0xd508_0000;
