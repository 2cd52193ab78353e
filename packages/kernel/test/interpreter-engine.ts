/** The Wasm interpreter as an engine under test: one vCPU at EL0, its memory mapped by one 1 GiB block. */
import { createInterpreter, Engine as InterpreterEngine } from '../src/interp/engine.ts';
import { LEAVE_BUDGET, LEAVE_EXCEPTION, LEAVE_UNDEFINED } from '../src/interp/leave.ts';
import {
  CPACR_EL1,
  MAIR_EL1,
  RUN_PAGE,
  SCTLR_EL1,
  SYNDROME,
  TCR_EL1,
  TTBR0_EL1,
  VCPU_BLOCK_SIZE,
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
const TABLE_AT = 0x10_2000;
const WINDOW_AT = 0x11_0000;
const VM_AT = 0x20_0000;
const VCPU_AT = 0x40_0000;
const PAGES = (VCPU_AT + VCPU_BLOCK_SIZE) / 0x1_0000;

/** Where the guest's page table lies. */
const TABLE = 0x4020_0000;

/** Guest-physical address, length, user address; sorted. */
const SLOTS = [
  [WINDOW, WINDOW_SIZE, WINDOW_AT],
  [CODE, 0x1000, CODE_AT],
  [TABLE, 0x1000, TABLE_AT],
] as const;

const BRK = 0xd420_0000;
const EC_BRK = 0x3c;

/** Block, AF, inner shareable, EL0 read-write, attribute 0. Source: Arm DDI 0487, D8.3.1. */
const BLOCK = 0x741n;
/** T0SZ 25, TBI0, no walks of TTBR1, as Linux has them for user space. */
const TCR = 25n | (1n << 23n) | (1n << 37n) | (2n << 32n);
/** M, UCI, UCT, DZE: on, as Linux has them. */
const SCTLR = 1n | (1n << 14n) | (1n << 15n) | (1n << 26n);

function formatGuest(words: Words): void {
  words.set32(VM_AT + MEMSLOT_COUNT, SLOTS.length);
  for (const [i, [gpa, length, user]] of SLOTS.entries()) {
    const slot = VM_AT + MEMSLOTS + i * MEMSLOT_SIZE;
    words.setNumber(slot + MEMSLOT_GPA, gpa);
    words.setNumber(slot + MEMSLOT_LENGTH, length);
    words.set32(slot + MEMSLOT_USER_ADDRESS, user);
  }
  words.set64(TABLE_AT + 8, 0x4000_0000n | BLOCK);
  words.set32(VCPU_AT + VM_BLOCK, VM_AT);
  words.set32(VCPU_AT + RUN_PAGE, RUN_AT);
  words.set64(VCPU_AT + TTBR0_EL1, BigInt(TABLE));
  words.set64(VCPU_AT + TCR_EL1, TCR);
  words.set64(VCPU_AT + MAIR_EL1, 0xffn);
  words.set64(VCPU_AT + SCTLR_EL1, SCTLR);
  words.set64(VCPU_AT + CPACR_EL1, 3n << 20n);
}

export function interpreterEngine(): Engine {
  const words = new Words(new WebAssembly.Memory({ initial: PAGES, maximum: 65536 }));
  formatGuest(words);
  const engine = new InterpreterEngine({
    interpreter: createInterpreter(false),
    words,
    vcpu: VCPU_AT,
    vm: VM_AT,
    traps: { hypercall: () => 1, sysreg: () => 1, mmioRead: () => 1, mmioWrite: () => 1 },
    plainSysreg: () => -1,
  });
  engine.format();
  const run = (code: readonly number[]): Stop => {
    const leave = engine.run(1000);
    const { pc } = storeState(words, VCPU_AT);
    const outside = pc < BigInt(CODE) || pc >= BigInt(CODE + 4 * code.length);
    if (leave === LEAVE_BUDGET) throw new Error('the words do not end');
    if (outside) return 'done';
    if (leave === LEAVE_UNDEFINED) return 'undefined';
    const broke = leave === LEAVE_EXCEPTION && words.get32(VCPU_AT + SYNDROME) >>> 26 === EC_BRK;
    return broke ? 'done' : 'fault';
  };
  return {
    name: 'interpreter',
    window: words.u8.subarray(WINDOW_AT, WINDOW_AT + WINDOW_SIZE),
    run(code, state) {
      for (let i = 0; i < 16; i++) words.set32(CODE_AT + 4 * i, code[i] ?? BRK);
      engine.flushCodeRange(CODE_AT, 64);
      loadState(words, VCPU_AT, state);
      engine.contextChanged();
      const stop = run(code);
      return { stop, state: storeState(words, VCPU_AT) };
    },
  };
}
