/** The Wasm interpreter as an engine under test: one vCPU at EL0, its code and the window mapped, nothing else. */
import { EC } from '../src/a64/emitter.ts';
import { createInterpreter, Engine as InterpreterEngine } from '../src/engine/engine.ts';
import { LEAVE_BUDGET, LEAVE_EXCEPTION, LEAVE_UNDEFINED } from '../src/interp/leave.ts';
import {
  CPACR_EL1,
  MAIR_EL1,
  POOL_LIMIT,
  POOL_SIZE,
  RUN_PAGE,
  SCTLR_EL1,
  SYNDROME,
  TCR_EL1,
  TTBR0_EL1,
  vcpuBlockSize,
  VM_BLOCK,
} from '../src/state/vcpu-state.ts';
import {
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_GPA,
  MEMSLOT_LENGTH,
  MEMSLOT_SIZE,
  MEMSLOT_USER_ADDRESS,
} from '../src/state/vm-state.ts';
import { Words } from '../src/state/words.ts';
import { CODE, WINDOW, WINDOW_SIZE } from './cpu-state.ts';
import { loadState, storeState, type Engine } from './engine.ts';
import type { Stop } from './vectors.ts';

/** User addresses, above what is never mapped. */
const RUN_AT = 0x10_0000;
const CODE_AT = 0x10_1000;
const TABLES_AT = 0x10_2000;
const WINDOW_AT = 0x11_0000;
const VM_AT = 0x20_0000;
const VCPU_AT = 0x40_0000;
const PAGES = (VCPU_AT + vcpuBlockSize(POOL_SIZE)) / 0x1_0000;

/** Where the guest's page tables lie: levels 1, 2 and 3, a page each. */
const TABLES = 0x4020_0000;

/** Guest-physical address, length, user address; sorted. */
const SLOTS = [
  [WINDOW, WINDOW_SIZE, WINDOW_AT],
  [CODE & ~0xfff, 0x1000, CODE_AT],
  [TABLES, 0x3000, TABLES_AT],
] as const;

/** The words of a case, with the BRK behind them. */
const WORDS_AT = CODE_AT + (CODE & 0xfff);
const MAX_WORDS = 16;

const BRK = 0xd420_0000;

/** Descriptors: a table; a page with AF, inner shareable, EL0 read-write. Source: Arm DDI 0487, D8.3.1. */
const TABLE = 3n;
const PAGE = 0x743n;
const UXN = 1n << 54n;
/** T0SZ 25, TBI0, no walks of TTBR1, as Linux has them for user space. */
const TCR = 25n | (1n << 23n) | (1n << 37n) | (2n << 32n);
/** M, UCI, UCT, DZE: on, as Linux has them. */
const SCTLR = 1n | (1n << 14n) | (1n << 15n) | (1n << 26n);

/** All is in the first 2 MiB of the second GiB. The window is not executable. */
function mapGuest(words: Words): void {
  words.set64(TABLES_AT + 8, BigInt(TABLES + 0x1000) | TABLE);
  words.set64(TABLES_AT + 0x1000, BigInt(TABLES + 0x2000) | TABLE);
  const map = (page: number, attributes: bigint): void =>
    words.set64(TABLES_AT + 0x2000 + ((page >>> 12) & 511) * 8, BigInt(page) | attributes);
  for (let page = WINDOW; page < WINDOW + WINDOW_SIZE; page += 0x1000) map(page, PAGE | UXN);
  map(CODE & ~0xfff, PAGE);
}

function formatGuest(words: Words): void {
  words.u32.fill(BRK, CODE_AT / 4, CODE_AT / 4 + 1024);
  words.set32(VM_AT + MEMSLOT_COUNT, SLOTS.length);
  for (const [i, [gpa, length, user]] of SLOTS.entries()) {
    const slot = VM_AT + MEMSLOTS + i * MEMSLOT_SIZE;
    words.setNumber(slot + MEMSLOT_GPA, gpa);
    words.setNumber(slot + MEMSLOT_LENGTH, length);
    words.set32(slot + MEMSLOT_USER_ADDRESS, user);
  }
  mapGuest(words);
  words.set32(VCPU_AT + VM_BLOCK, VM_AT);
  words.set32(VCPU_AT + RUN_PAGE, RUN_AT);
  words.set32(VCPU_AT + POOL_LIMIT, POOL_SIZE);
  words.set64(VCPU_AT + TTBR0_EL1, BigInt(TABLES));
  words.set64(VCPU_AT + TCR_EL1, TCR);
  words.set64(VCPU_AT + MAIR_EL1, 0xffn);
  words.set64(VCPU_AT + SCTLR_EL1, SCTLR);
  words.set64(VCPU_AT + CPACR_EL1, 3n << 20n);
}

/** @param tier - which code is compiled */
export function wasmEngine(tier: 'none' | 'all' | 'evict'): Engine {
  const words = new Words(new WebAssembly.Memory({ initial: PAGES, maximum: 65536 }));
  formatGuest(words);
  const engine = new InterpreterEngine({
    interpreter: createInterpreter(false),
    words,
    vcpu: VCPU_AT,
    vm: VM_AT,
    traps: { hypercall: () => 1, sysreg: () => 1, mmioRead: () => 1, mmioWrite: () => 1, hearsAll: true },
    plainSysreg: () => -1,
    tier,
  });
  engine.format();
  const run = (code: readonly number[]): Stop => {
    const leave = engine.run(1000);
    const { pc } = storeState(words, VCPU_AT);
    const outside = pc < BigInt(CODE) || pc >= BigInt(CODE + 4 * code.length);
    if (leave === LEAVE_BUDGET) throw new Error('the words do not end');
    if (outside) return 'done';
    if (leave === LEAVE_UNDEFINED) return 'undefined';
    const raised = leave === LEAVE_EXCEPTION ? words.get32(VCPU_AT + SYNDROME) >>> 26 : EC.UNKNOWN;
    if (raised === EC.BRK64) return 'done';
    return raised === EC.SYS64 ? 'undefined' : 'fault';
  };
  return {
    name: tier === 'none' ? 'interpreter' : 'jit',
    window: words.u8.subarray(WINDOW_AT, WINDOW_AT + WINDOW_SIZE),
    run(code, state) {
      for (let i = 0; i < MAX_WORDS; i++) words.set32(WORDS_AT + 4 * i, code[i] ?? BRK);
      engine.flushCodeRange(WORDS_AT, 4 * MAX_WORDS);
      loadState(words, VCPU_AT, state);
      engine.contextChanged();
      const stop = run(code);
      return { stop, state: storeState(words, VCPU_AT) };
    },
  };
}

export const interpreterEngine = (): Engine => wasmEngine('none');
export const jitEngine = (): Engine => wasmEngine('all');
