/**
 * The vocabulary in which instruction semantics are written.
 *
 * A definition calls these methods in the order in which things happen; nothing is kept as a tree. One emitter makes
 * handlers of the interpreter, one compiles regions, one computes at once (tests). Guest values are opaque: a choice
 * on one is `select` or `if`. Static parameters (width, size, condition) are ordinary JavaScript values.
 *
 * Rules for definitions: every access that can fault, trap or leave comes before the first register write; a value
 * used twice is a `let`; operands are evaluated left to right, so a nested call must not change what an earlier
 * operand has read.
 */
import type { F32, F64, I32, I64, IntegerOps, PureOps, V128, Value } from '../wasm/pure.ts';

export type { F32, F64, I32, I64, IntegerOps, V128, Value };

/** Operand fields of a decoded op. `d` and `e` lie in bits 15:0 and 31:16 of the immediate. */
export type Field = 'a' | 'b' | 'c' | 'd' | 'e';

/** Where a direct branch goes, seen from the page it stands in: back (or to itself), ahead, or to another page. */
export type Reach = 'back' | 'ahead' | 'far';

/** What a branch is for; a hint to the JIT, without effect on the result. */
export type BranchKind = 'jump' | 'call' | 'return';

/** log2 of an access size in bytes. */
export type Size = 0 | 1 | 2 | 3;

/** A value that can be had as often as it is needed. */
export interface Known<T extends Value> {
  get(): T;
}

/** A value with a name. */
export interface Var<T extends Value> extends Known<T> {
  set(value: T): void;
}

/** What a memory access is, besides its address. */
export interface AccessForm {
  readonly size: Size;
  /** Sign-extend a load to this many bits; zero-extend if absent. */
  readonly signed?: 32 | 64;
  /** The access has EL0's permissions (LDTR, STTR). */
  readonly unprivileged?: boolean;
  /** Acquire or release: the address must be aligned to the size. */
  readonly ordered?: boolean;
  /** Made of smaller elements: no alignment is demanded of it, whatever the memory or SCTLR_EL1.A say. */
  readonly loose?: boolean;
  /**
   * The access has a valid syndrome: one general register, operand `a`, no write-back. Only such an access can become
   * an MMIO exit. For a load, the width of the target register.
   */
  readonly syndrome?: 32 | 64;
}

/** A float of the width that a definition asked for; it need not know which. */
export type Float = F32 & F64;

/**
 * What is asked of Wasm's floating point. `exact`: FPCR wants no more than rounding to nearest. `rounded`: besides,
 * FPSR.IXC is set, so that an inexact result changes nothing. `fused`: as `exact`, and `relaxed_madd` rounds once; Wasm
 * leaves that to the host, which does not change.
 */
export type FpNeed = 'exact' | 'rounded' | 'fused';

/** A general register operand and arithmetic at one width. `T` is `I32` or `I64`; a definition need not know. */
export interface WordOps<T extends Value> extends IntegerOps<T> {
  readonly bits: 32 | 64;
  /** Reads a register slot, truncated to the width. */
  reg(field: Field): T;
  /** Writes a register slot, zero-extended. */
  setReg(field: Field, value: T): void;
  /** The immediate, truncated to the width. */
  imm(): T;
  /** A raw operand field (0 to 65535), such as a shift amount. */
  field(field: Field): T;
  let(value: T): Var<T>;
  /** A new variable, 0 at first. */
  variable(): Var<T>;
  toI64(value: T): I64;
  /** Sign-extended to 64 bits. */
  signed(value: T): I64;
  fromI64(value: I64): T;
  fromI32(value: I32): T;
}

/** A function of the vocabulary that is emitted once per module and called: soft float, AES rounds, CRC. */
export interface Routine<
  P extends readonly RoutineType[] = readonly RoutineType[],
  R extends RoutineType = RoutineType,
> {
  readonly name: string;
  readonly params: P;
  readonly result: R;
  /** Emits the body; the result is what it returns. It may use pure operations, variables, `if`, `repeat`, state words. */
  readonly emit: (c: Emitter, ...params: { [K in keyof P]: Var<ValueOf<P[K]>> }) => ValueOf<R>;
}
export type RoutineType = 'i32' | 'i64' | 'v128';
export type ValueOf<T extends RoutineType> = { i32: I32; i64: I64; v128: V128 }[T];

/** Read-modify-write operations on memory. */
export type AtomicOp = 'add' | 'and' | 'or' | 'xor' | 'xchg';

/** Exception classes that an instruction can raise by itself. Values: ESR_ELx.EC. Source: Arm DDI 0487, D24.2.40. */
export const EC = {
  UNKNOWN: 0x00,
  WFX: 0x01,
  FP_ACCESS: 0x07,
  ILLEGAL_STATE: 0x0e,
  SVC64: 0x15,
  HVC64: 0x16,
  SMC64: 0x17,
  SYS64: 0x18,
  INSTRUCTION_ABORT_LOWER: 0x20,
  INSTRUCTION_ABORT_SAME: 0x21,
  PC_ALIGNMENT: 0x22,
  DATA_ABORT_LOWER: 0x24,
  DATA_ABORT_SAME: 0x25,
  SP_ALIGNMENT: 0x26,
  SERROR: 0x2f,
  BREAKPOINT_LOWER: 0x30,
  BREAKPOINT_SAME: 0x31,
  STEP_LOWER: 0x32,
  STEP_SAME: 0x33,
  WATCHPOINT_LOWER: 0x34,
  WATCHPOINT_SAME: 0x35,
  BRK64: 0x3c,
} as const;

export interface Emitter {
  /** Pure operations, named as in WebAssembly. */
  readonly i32: PureOps['i32'];
  readonly i64: PureOps['i64'];
  readonly f32: PureOps['f32'];
  readonly f64: PureOps['f64'];
  readonly v128: PureOps['v128'];
  readonly i8x16: PureOps['i8x16'];
  readonly i16x8: PureOps['i16x8'];
  readonly i32x4: PureOps['i32x4'];
  readonly i64x2: PureOps['i64x2'];
  readonly f32x4: PureOps['f32x4'];
  readonly f64x2: PureOps['f64x2'];
  /** 64-bit or 32-bit operations under one type. */
  word(bits: 32 | 64): WordOps<Word>;

  // ---- values
  letI32(value: I32): Var<I32>;
  letI64(value: I64): Var<I64>;
  letF32(value: F32): Var<F32>;
  letF64(value: F64): Var<F64>;
  letV128(value: V128): Var<V128>;
  select<T extends I32 | I64 | F32 | F64>(ifTrue: T, ifFalse: T, condition: I32): T;
  selectV128(ifTrue: V128, ifFalse: V128, condition: I32): V128;
  if(condition: I32, then: () => void, otherwise?: () => void): void;
  /**
   * As `if` where any of the conditions holds, for what hardly ever happens and no register is written before: a back
   * end may leave the whole instruction to another one there. A condition is emitted by being called.
   */
  rarely(conditions: readonly (() => I32)[], then: () => void, otherwise?: () => void): void;
  /** Runs the body, then again for as long as what it returns is not 0. Not across faults or exits. */
  repeat(body: () => I32): void;
  /**
   * As `rarely` where {@link fpFails} with `rounded`; a back end may first ask whether the result is inexact at all.
   *
   * @param isInexact - not asked where {@link fpFails} with `fused`
   */
  unlessRounded(isInexact: () => I32, then: () => void): void;
  call<P extends readonly RoutineType[], R extends RoutineType>(
    routine: Routine<P, R>,
    ...operands: { [K in keyof P]: ValueOf<P[K]> }
  ): ValueOf<R>;

  // ---- operands
  reg(field: Field): I64;
  setReg(field: Field, value: I64): void;
  reg32(field: Field): I32;
  /** Zero-extends. */
  setReg32(field: Field, value: I32): void;
  imm(): I64;
  imm32(): I32;
  /** The upper half of the immediate. */
  immHigh(): I32;
  /** A raw operand field, 0 to 65535. */
  field(field: Field): I32;
  /** The address of this instruction. */
  pc(): I64;
  vec(field: Field): V128;
  setVec(field: Field, value: V128): void;
  /** The register `count` after the field's; v0 follows v31. Lists of registers: LD1 to LD4, TBL. */
  vecAfter(field: Field, count: number): V128;
  setVecAfter(field: Field, count: number, value: V128): void;
  /** Bits 63:0 of a vector register. */
  vecLow(field: Field): I64;
  /** Bits 31:0 of a vector register. */
  vecLow32(field: Field): I32;
  /** Writes bits 63:0 and clears the rest. */
  setVecLow(field: Field, value: I64): void;
  /** Writes bits 31:0 and clears the rest. */
  setVecLow32(field: Field, value: I32): void;
  /** The low bits of a vector register as a float; the bits of a NaN are kept. */
  float(field: Field, bits: 32 | 64): Float;
  /** Writes a float and clears the rest. */
  setFloat(field: Field, bits: 32 | 64, value: Float): void;

  // ---- vCPU state words, by offset (state/vcpu-state.ts)
  state32(offset: number): I32;
  setState32(offset: number, value: I32): void;
  state64(offset: number): I64;
  setState64(offset: number, value: I64): void;
  /** Not 0 if Wasm's floating point does not do here: see {@link FpNeed}. */
  fpFails(need: FpNeed): I32;
  /** The state word whose offset is the immediate: a system register that is plain storage. */
  stateAtImm(): I64;
  setStateAtImm(value: I64): void;

  // ---- flags
  flagsFromAdd<T extends Value>(w: WordOps<T>, a: Var<T>, b: Var<T>, result: Var<T>): void;
  /** As {@link flagsFromAdd}, for a + b + carryIn. */
  flagsFromAddCarry<T extends Value>(
    w: WordOps<T>,
    a: Var<T>,
    b: Var<T>,
    carryIn: Var<I32>,
    result: Var<T>,
  ): void;
  flagsFromSub<T extends Value>(w: WordOps<T>, a: Var<T>, b: Var<T>, result: Var<T>): void;
  /** Of the comparison of two floats, neither a NaN. */
  flagsFromFloats(bits: 32 | 64, x: Var<Float>, y: Var<Float>): void;
  /** N and Z of the result, C = V = 0. */
  flagsFromLogic<T extends Value>(w: WordOps<T>, result: Var<T>): void;
  /** Those that `compare` sets from integers and does nothing else, if the condition holds; else NZCV as in a field. */
  flagsIf(condition: I32, compare: () => void, nzcv: Field): void;
  /** NZCV in bits 3:0. */
  nzcv(): I32;
  setNzcv(value: I32): void;
  /** 1 if condition `code` (0 to 15) holds. */
  condition(code: number): I32;
  carry(): I32;

  // ---- memory. Addresses are virtual; each may fault, or leave for a device.
  load(address: I64, form: AccessForm): I64;
  store(address: I64, value: I64, form: AccessForm): void;
  /** Two consecutive accesses of one size; both are translated before either is made. */
  loadPair(address: I64, form: AccessForm): [Var<I64>, Var<I64>];
  storePair(address: I64, first: Var<I64>, second: Var<I64>, form: AccessForm): void;
  loadFloat(address: I64, bits: 32 | 64): Float;
  storeFloat(address: I64, bits: 32 | 64, value: Float): void;
  /** @param loose - as {@link AccessForm.loose}; else 16 bytes are one element */
  loadVec(address: I64, loose?: boolean): V128;
  storeVec(address: I64, value: V128, loose?: boolean): void;
  loadVecPair(address: I64, loose?: boolean): [Var<V128>, Var<V128>];
  storeVecPair(address: I64, first: Var<V128>, second: Var<V128>, loose?: boolean): void;
  /**
   * The place in process memory of an access that must be aligned to its size (in bytes, up to 16) and be memory:
   * exclusives and atomics. Anything else faults: an `update`, which reads and writes, as a read where a read would.
   */
  locate(address: I64, bytes: number, access: 'read' | 'write' | 'update'): Var<I32>;
  atomicLoad(host: I32, size: Size): I64;
  atomicStore(host: I32, value: I64, size: Size): void;
  /** @returns the old value, zero-extended */
  atomicUpdate(op: AtomicOp, host: I32, value: I64, size: Size): I64;
  /** @returns the old value, zero-extended; replaced if it equals `expected` */
  atomicCompareExchange(host: I32, expected: I64, replacement: I64, size: Size): I64;
  /** DC ZVA: 64 zero bytes at the aligned address. */
  zeroBlock(address: I64): void;
  fence(): void;

  // ---- control
  /** To this instruction + the immediate (bytes). */
  branch(reach: Reach, kind: BranchKind): void;
  branchIf(condition: I32, reach: Reach): void;
  jump(target: I64, kind: BranchKind): void;
  /** Goes on with the next instruction, fetched afresh: ISB. */
  refetch(): void;
  /** Ends here: the word is not allocated, or not at this exception level. */
  undefined(): void;
  /** Raises a synchronous exception to EL1. @param after - the return address is the next instruction (SVC) */
  raise(exceptionClass: number, iss: I32, after: boolean): void;
  /** {@link undefined} at EL0. */
  requireEl1(): void;
  /** Traps if FP and AdvSIMD are disabled here. */
  requireFp(): void;
  /** HVC or SMC with this 16-bit immediate: the `hvc` port. */
  hypercall(conduit: 'hvc' | 'smc'): void;
  /** MRS or MSR that is more than a word of storage: the `sysreg` port, with the instruction word (immediate). */
  systemRegister(): void;
  /** SYS or SYSL: the same port. It may drop the very code that executes it. */
  systemInstruction(): void;
  /** Leaves guest code after this instruction: `wfi`, `wfe`. */
  wait(kind: 'wfi' | 'wfe'): void;
  exceptionReturn(): void;
  /** Leaves if an interrupt is now deliverable. After an instruction that may unmask one. */
  checkInterrupts(): void;
}

/** A value of {@link Emitter.word}'s width. */
export type Word = I32 & I64;
