/**
 * The pure operations as typed methods: `ops.i64.add(x, y)`, `ops.i8x16.swizzle(v, idx)`.
 *
 * The values are opaque, so one definition written over them can emit code (the value is then on Wasm's operand
 * stack, and calls must nest in evaluation order) or compute at once (the value is a real one).
 */
import { PURE_OPS, type PureOpName } from './opcode.ts';

declare const kind: unique symbol;
/** A 32-bit integer. */
export interface I32 {
  readonly [kind]: 'i32';
}
/** A 64-bit integer. */
export interface I64 {
  readonly [kind]: 'i64';
}
/** A single-precision float. */
export interface F32 {
  readonly [kind]: 'f32';
}
/** A double-precision float. */
export interface F64 {
  readonly [kind]: 'f64';
}
/** A 128-bit vector. */
export interface V128 {
  readonly [kind]: 'v128';
}
export type Value = I32 | I64 | F32 | F64 | V128;

interface Letters {
  i: I32;
  I: I64;
  f: F32;
  F: F64;
  v: V128;
  L: number;
}
type Operands<S extends string> = S extends `${infer Head extends keyof Letters}${infer Rest}`
  ? [Letters[Head], ...Operands<Rest>]
  : [];
type Method<Row extends readonly [number, string, keyof Letters]> = (
  ...operands: Operands<Row[1]>
) => Letters[Row[2]];
type MethodsOf<Group extends string> = {
  readonly [Name in keyof typeof PURE_OPS as Name extends `${Group}.${infer Op}` ? Op : never]: Method<
    (typeof PURE_OPS)[Name]
  >;
};
type GroupName = PureOpName extends infer N ? (N extends `${infer G}.${string}` ? G : never) : never;

/** What every integer width offers; `i32` and `i64` both satisfy it, so a definition can be generic over the width. */
export interface IntegerOps<T> {
  const(value: number | bigint): T;
  eqz(a: T): I32;
  eq(a: T, b: T): I32;
  ne(a: T, b: T): I32;
  lt_s(a: T, b: T): I32;
  lt_u(a: T, b: T): I32;
  gt_s(a: T, b: T): I32;
  gt_u(a: T, b: T): I32;
  le_s(a: T, b: T): I32;
  le_u(a: T, b: T): I32;
  ge_s(a: T, b: T): I32;
  ge_u(a: T, b: T): I32;
  clz(a: T): T;
  ctz(a: T): T;
  popcnt(a: T): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  div_s(a: T, b: T): T;
  div_u(a: T, b: T): T;
  and(a: T, b: T): T;
  or(a: T, b: T): T;
  xor(a: T, b: T): T;
  shl(a: T, b: T): T;
  shr_s(a: T, b: T): T;
  shr_u(a: T, b: T): T;
  rotl(a: T, b: T): T;
  rotr(a: T, b: T): T;
}

/** All pure operations, grouped as the text format groups them. */
export type PureOps = {
  readonly [G in GroupName]: MethodsOf<G>;
} & {
  readonly i32: { const(value: number | bigint): I32 };
  readonly i64: { const(value: number | bigint): I64 };
  readonly f32: { const(value: number): F32 };
  readonly f64: { const(value: number): F64 };
  readonly v128: { const(low: bigint, high: bigint): V128 };
  readonly i8x16: { shuffle(a: V128, b: V128, lanes: readonly number[]): V128 };
};

/** What every back end supplies; {@link pureOps} and {@link emittingOps} build the methods over it. */
export interface Constants {
  constI32(value: number | bigint): I32;
  constI64(value: number | bigint): I64;
  constF32(value: number): F32;
  constF64(value: number): F64;
  constV128(low: bigint, high: bigint): V128;
  shuffle(a: V128, b: V128, lanes: readonly number[]): V128;
}

/** A back end whose values are values. */
export interface PureBackend extends Constants {
  apply(name: PureOpName, operands: readonly unknown[]): unknown;
}

/** A back end that writes instructions: their operands are on Wasm's stack, and only lane numbers are real. */
export interface EmittingBackend extends Constants {
  emit(opcode: number): void;
  emitLane(opcode: number, lane: number): void;
}

const BACKEND = Symbol('backend');
interface Bound<B extends Constants = Constants> {
  readonly [BACKEND]: B;
}
type AnyMethod = (this: Bound<never>, ...operands: never[]) => unknown;

/**
 * The methods of one kind of back end, made once: what a group of one back end adds is the back end. (A module has two
 * thousand functions, and each has its own emitter.)
 */
function prototypes(methodOf: (name: PureOpName) => AnyMethod): Readonly<Record<string, object>> {
  const groups: Record<string, Record<string, unknown>> = {};
  for (const name of Object.keys(PURE_OPS) as PureOpName[]) {
    const dot = name.indexOf('.');
    const group = (groups[name.slice(0, dot)] ??= {});
    group[name.slice(dot + 1)] = methodOf(name);
  }
  const constants: Record<string, (this: Bound, ...value: never[]) => unknown> = {
    i32: function constI32(this: Bound, value: number | bigint) {
      return this[BACKEND].constI32(value);
    },
    i64: function constI64(this: Bound, value: number | bigint) {
      return this[BACKEND].constI64(value);
    },
    f32: function constF32(this: Bound, value: number) {
      return this[BACKEND].constF32(value);
    },
    f64: function constF64(this: Bound, value: number) {
      return this[BACKEND].constF64(value);
    },
    v128: function constV128(this: Bound, low: bigint, high: bigint) {
      return this[BACKEND].constV128(low, high);
    },
  };
  for (const [group, constant] of Object.entries(constants)) groups[group]!['const'] = constant;
  groups['i8x16']!['shuffle'] = function shuffle(this: Bound, a: V128, b: V128, lanes: readonly number[]) {
    return this[BACKEND].shuffle(a, b, lanes);
  };
  return groups;
}

const COMPUTING = prototypes(
  (name) =>
    function pureOp(this: Bound<PureBackend>, ...operands: unknown[]): unknown {
      return this[BACKEND].apply(name, operands);
    },
);

// A million of these are called in a boot: so each knows its opcode.
const EMITTING = prototypes((name) => {
  const [opcode, operands] = PURE_OPS[name];
  const lane = operands.indexOf('L');
  if (lane < 0) {
    return function emitOp(this: Bound<EmittingBackend>): unknown {
      return this[BACKEND].emit(opcode);
    };
  }
  return function emitLaneOp(this: Bound<EmittingBackend>, ...given: unknown[]): unknown {
    return this[BACKEND].emitLane(opcode, given[lane] as number);
  };
});

function bind(methods: Readonly<Record<string, object>>, backend: Constants): PureOps {
  const bound = { [BACKEND]: { value: backend } };
  const groups = Object.entries(methods).map(([name, group]) => [name, Object.create(group, bound)]);
  // The table is the type: each group holds exactly the names that PURE_OPS lists for it.
  return Object.fromEntries(groups) as PureOps;
}

/** The grouped methods for a back end that computes. They are methods: call them on their group. */
export const pureOps = (backend: PureBackend): PureOps => bind(COMPUTING, backend);

/** The grouped methods for a back end that writes code. */
export const emittingOps = (backend: EmittingBackend): PureOps => bind(EMITTING, backend);

/** An object with the methods of a group and its own: the way to extend one. */
export const extendOps = <T extends object>(ops: object, own: Omit<T, keyof IntegerOps<never>>): T =>
  Object.assign(Object.create(ops) as T, own);
