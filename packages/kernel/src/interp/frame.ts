/** What handlers are made in: the dispatch loop's locals and labels, and the functions of the module. */
import type { I32, I64, Routine } from '../a64/emitter.ts';
import type { Code, Label, Local } from '../wasm/code.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import type { SlowPath } from './slow-path.ts';

/** Functions of the module that handlers call. */
export interface HandlerImports extends SlowPath {
  readonly vcpu: number;
  readonly hypercall: number;
  readonly sysreg: number;
  /** `(target: i64) → i32`: the decoded page of a target that the fetch TLB misses; 0 = leave. */
  readonly fetch: number;
  readonly decode: number;
  /** `()`: SP has become unaligned to 16 bytes, or aligned again. */
  readonly stackMoved: number;
  /** Whether other threads share the memory: they can write the kick word while guest code runs, for one. */
  readonly shared: boolean;
  routineIndex(routine: Routine): number;
}

/**
 * How the function of a cold handler, `(op)`, or of a region, `(op, acc, depth, expected)`, says how to go on. A region
 * has written OP in any case; a negative answer is ACC + OP, and the guest is at `expected`. Only who has called with an
 * address at which it waits gets one.
 */
export const COLD_NEXT = 0;
export const COLD_LEAVE = 1;
/** The handler chose the next op: OP and ACC are in the state words. */
export const COLD_JUMP = 2;
/** As COLD_LEAVE, and the pc word is right already. */
export const COLD_LEAVE_WITH_PC = 3;
/** A region has executed RET: to the pc word, with ACC + OP in ACC. */
export const COLD_RETURN = 4;

/**
 * How often regions branch to what is none until that is looked at. Samples alone would not find a function that they
 * call: the budget is looked at where it comes back to them.
 */
export const VISIT_INTERVAL = 256;

/** What is expected where nobody waits: no return address, they are even. */
export const NOWHERE = -1;

/** Parameters of a region, and of what goes on where there is none. */
export const REGION_PARAMS = [I32_TYPE, I32_TYPE, I32_TYPE, I64_TYPE] as const;

interface RegionParams {
  readonly op: Local<I32>;
  readonly acc: Local<I32>;
  /** Callers that wait. */
  readonly depth: Local<I32>;
  /** Where a region waits for the guest to return to, or {@link NOWHERE}. */
  readonly expected: Local<I64>;
}

export const regionParams = (code: Code): RegionParams => ({
  op: code.param<I32>(0),
  acc: code.param<I32>(1),
  depth: code.param<I32>(2),
  expected: code.param<I64>(3),
});

/** Parameters of `jump`: a virtual address in place of an op, and ACC + OP in place of ACC. */
export const JUMP_PARAMS = [I64_TYPE, I32_TYPE, I32_TYPE, I64_TYPE] as const;

export const jumpParams = (
  code: Code,
): Omit<RegionParams, 'op' | 'acc'> & { readonly target: Local<I64>; readonly counted: Local<I32> } => ({
  target: code.param<I64>(0),
  counted: code.param<I32>(1),
  depth: code.param<I32>(2),
  expected: code.param<I64>(3),
});

/** The locals and labels of the dispatch loop. */
export interface LoopFrame extends RegionParams {
  readonly flags: readonly [Local<I64>, Local<I64>, Local<I64>];
  readonly vcpu: Local<I32>;
  readonly tlb: Local<I32>;
  /** Dispatches `op`. */
  readonly next: Label;
  /** Writes `op`, `acc` and flags back, the pc too, and returns. LEAVE is set. */
  readonly leave: Label;
  /** As `leave`, but the pc word is right already. */
  readonly leaveWithPc: Label;
}

/** The locals of a loop, made in its function, whose parameters are a region's. */
export function loopLocals(code: Code): Omit<LoopFrame, 'next' | 'leave' | 'leaveWithPc'> {
  return {
    ...regionParams(code),
    flags: [code.local<I64>(I64_TYPE), code.local<I64>(I64_TYPE), code.local<I64>(I64_TYPE)],
    vcpu: code.local<I32>(I32_TYPE),
    tlb: code.local<I32>(I32_TYPE),
  };
}
