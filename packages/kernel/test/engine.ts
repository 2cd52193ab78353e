/** Engines under test: each runs the words of a case from a state and says how they ended. */
import { DecodeTable } from '../src/a64/decode.ts';
import { packFlags, unpackFlags } from '../src/a64/flags.ts';
import type { DecodeSite } from '../src/a64/pattern.ts';
import { INSNS } from '../src/a64/table.ts';
import { Evaluator } from '../src/eval/evaluator.ts';
import {
  EL,
  EXCLUSIVE_HOST,
  FLAG_A,
  FLAG_B,
  FLAG_NZ,
  FPCR,
  FPSR,
  PC,
  SP_SLOT,
  V,
  X,
} from '../src/state/vcpu-state.ts';
import { Words } from '../src/state/words.ts';
import { CODE, WINDOW, WINDOW_SIZE, type CpuState } from './cpu-state.ts';
import type { Stop } from './vectors.ts';

export interface Engine {
  readonly name: string;
  /** The test memory as the engine reads and writes it. */
  readonly window: Uint8Array;
  /** Executes the words, placed at {@link CODE}, at EL0, until control leaves them or one is refused. */
  run(words: readonly number[], state: CpuState): { readonly stop: Stop; readonly state: CpuState };
}

const STATE_BASE = 0x1_0000;
const WINDOW_BASE = 0x4_0000;
const MEMORY_PAGES = (WINDOW_BASE + WINDOW_SIZE) / 0x1_0000;

/** No system register is plain storage here. */
const siteAt = (address: number): DecodeSite => ({ offset: address & 0xfff, plainSysreg: () => -1 });

/** Puts a state into the words of a vCPU. */
export function loadState(words: Words, base: number, state: CpuState): void {
  for (let n = 0; n < 31; n++) words.set64(base + X + 8 * n, state.x[n]!);
  for (let n = 0; n < 64; n++) words.set64(base + V + 8 * n, state.v[n]!);
  const flags = packFlags(state.nzcv);
  words.set64(base + FLAG_NZ, flags.nz);
  words.set64(base + FLAG_A, flags.a);
  words.set64(base + FLAG_B, flags.b);
  words.set64(base + SP_SLOT, state.sp);
  words.set64(base + PC, state.pc);
  words.set32(base + FPCR, state.fpcr);
  words.set32(base + FPSR, state.fpsr);
  words.set32(base + EXCLUSIVE_HOST, 0);
  words.set32(base + EL, 0);
}

/** The state that the words of a vCPU hold. */
export function storeState(words: Words, base: number): CpuState {
  return {
    x: BigUint64Array.from({ length: 31 }, (_, n) => words.get64(base + X + 8 * n)),
    v: BigUint64Array.from({ length: 64 }, (_, n) => words.get64(base + V + 8 * n)),
    nzcv: unpackFlags({
      nz: words.get64(base + FLAG_NZ),
      a: words.get64(base + FLAG_A),
      b: words.get64(base + FLAG_B),
    }),
    sp: words.get64(base + SP_SLOT),
    pc: words.get64(base + PC),
    fpcr: words.get32(base + FPCR),
    fpsr: words.get32(base + FPSR),
  };
}

/** The plain evaluator, with nothing mapped but the window. */
export function evaluatorEngine(): Engine {
  const words = new Words(new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES }));
  const table = new DecodeTable(INSNS);
  const evaluator = new Evaluator(words, STATE_BASE, {
    translate: ({ address, bytes }) => {
      const offset = Number(BigInt.asUintN(56, address)) - WINDOW; // EL0 ignores the top byte on Linux
      return offset >= 0 && offset + bytes <= WINDOW_SIZE ? WINDOW_BASE + offset : -1;
    },
  });
  const step = (code: readonly number[]): Stop | 'next' => {
    const pc = Number(words.get64(STATE_BASE + PC));
    const word = code[(pc - CODE) / 4];
    if (word === undefined) return 'done';
    const row = table.find(word);
    const site = siteAt(pc);
    const handler = row?.select(word, site) ?? -1;
    if (!row || handler < 0) return 'undefined';
    const { kind } = evaluator.step(row, handler, row.operands(word, site));
    if (kind === 'next' || kind === 'branch') return 'next';
    return kind === 'fault' || kind === 'alignment' ? 'fault' : 'undefined';
  };
  return {
    name: 'evaluator',
    window: words.u8.subarray(WINDOW_BASE, WINDOW_BASE + WINDOW_SIZE),
    run(code, state) {
      loadState(words, STATE_BASE, state);
      let stop = step(code);
      while (stop === 'next') stop = step(code);
      return { stop, state: storeState(words, STATE_BASE) };
    },
  };
}
