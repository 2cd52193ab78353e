/** The reference: QEMU's user-mode emulator, which runs driver.c. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CpuState } from '../../packages/kernel/test/cpu-state.ts';
import type { Expected, Stop } from '../../packages/kernel/test/vectors.ts';
import { repaired } from './errata.ts';

export interface ReferenceCase {
  readonly words: readonly number[];
  readonly state: CpuState;
}

/** Sizes and offsets of `struct test` and `struct result` of driver.c, in bytes. */
export const MAX_WORDS = 8;
const STATE_SIZE = 784;
const TEST_SIZE = 40 + STATE_SIZE;
const RESULT_SIZE = 24 + STATE_SIZE;
const SP = 248;
const NZCV = 256;
const FPCR = 264;
const FPSR = 268;
const V = 272;

/** Linux signal numbers. */
const SIGILL = 4;
const SIGTRAP = 5;

/**
 * QEMU's CPUs that cases run on: `max`, without what makes signal frames longer, has all that vkvm announces and more
 * (unannounced.ts); Armv8.0 with CRC and cryptography has less.
 */
export const CPUS = { max: 'max,sve=off,sme=off,pauth=off', 'armv8.0': 'cortex-a72' } as const;
export type Cpu = keyof typeof CPUS;

/** Debian's qemu-user-static. */
const EMULATOR = 'qemu-aarch64-static';
const OUTPUT_LIMIT = 1 << 30;

function writeState(view: DataView, at: number, state: CpuState): void {
  for (let n = 0; n < 31; n++) view.setBigUint64(at + 8 * n, state.x[n]!, true);
  view.setBigUint64(at + SP, state.sp, true);
  view.setBigUint64(at + NZCV, BigInt(state.nzcv) << 28n, true);
  view.setUint32(at + FPCR, state.fpcr, true);
  view.setUint32(at + FPSR, state.fpsr, true);
  for (let n = 0; n < 64; n++) view.setBigUint64(at + V + 8 * n, state.v[n]!, true);
}

const readState = (view: DataView, at: number, pc: bigint): CpuState => ({
  x: BigUint64Array.from({ length: 31 }, (_, n) => view.getBigUint64(at + 8 * n, true)),
  sp: view.getBigUint64(at + SP, true),
  pc,
  nzcv: Number(view.getBigUint64(at + NZCV, true) >> 28n),
  fpcr: view.getUint32(at + FPCR, true),
  fpsr: view.getUint32(at + FPSR, true),
  v: BigUint64Array.from({ length: 64 }, (_, n) => view.getBigUint64(at + V + 8 * n, true)),
});

/**
 * A signal at a pc outside of the code is the end of a branch; one inside, other than the BRK behind the words, is a
 * refusal.
 */
function stopOf(signal: number, pc: bigint, inCode: boolean): Stop {
  if (signal === SIGTRAP || !inCode) return 'done';
  return signal === SIGILL ? 'undefined' : 'fault';
}

/**
 * The reference, ready to run cases. Disposing of it removes the driver.
 *
 * @throws Error there is no cross compiler
 */
export class Reference {
  readonly #directory = mkdtempSync(join(tmpdir(), 'vkvm-vectors-'));

  constructor() {
    const source = join(import.meta.dirname, 'driver.c');
    // Position-independent, so that it lies far from where registers point.
    execFileSync('aarch64-linux-gnu-gcc', ['-O2', '-static-pie', '-o', this.#driver, source]);
  }

  get #driver(): string {
    return join(this.#directory, 'driver');
  }

  /**
   * Runs all cases, in one process.
   *
   * @param code - where their words lie
   */
  run(cases: readonly ReferenceCase[], code: number, cpu: Cpu): Expected[] {
    const input = new Uint8Array(cases.length * TEST_SIZE);
    const view = new DataView(input.buffer);
    for (const [i, { words, state }] of cases.entries()) {
      if (words.length > MAX_WORDS) throw new RangeError(`a case has at most ${MAX_WORDS} words`);
      view.setUint32(i * TEST_SIZE, words.length, true);
      for (const [n, word] of words.entries()) view.setUint32(i * TEST_SIZE + 4 + 4 * n, word, true);
      writeState(view, i * TEST_SIZE + 40, state);
    }
    const output = execFileSync(EMULATOR, ['-cpu', CPUS[cpu], this.#driver], {
      input,
      maxBuffer: OUTPUT_LIMIT,
    });
    return readResults(new DataView(output.buffer, output.byteOffset, output.length), cases, code);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

function readResults(view: DataView, cases: readonly ReferenceCase[], code: number): Expected[] {
  let at = 0;
  return cases.map(({ words, state: before }) => {
    const signal = view.getUint32(at, true);
    const changes = view.getUint32(at + 4, true);
    const pc = view.getBigUint64(at + 8, true);
    const inCode = pc >= BigInt(code) && pc < BigInt(code + 4 * words.length);
    const state = readState(view, at + 24, pc);
    at += RESULT_SIZE;
    const bytes = new Map<number, number>();
    for (let i = 0; i < changes; i++) {
      bytes.set(view.getUint32(at, true), view.getUint32(at + 4, true));
      at += 8;
    }
    return repaired({ stop: stopOf(signal, pc, inCode), state, bytes }, words, before);
  });
}
