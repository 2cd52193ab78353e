/** The values of the evaluator: what stands behind the opaque types of wasm/pure.ts. */
import type { Var } from '../a64/emitter.ts';
import type { F32, F64, I32, I64, PureBackend, V128, Value } from '../wasm/pure.ts';
import { toBits32, toBits64 } from './float.ts';
import { PURE } from './pure.ts';

/**
 * The real values behind the opaque types: see pure.ts. An opaque value has no structure of its own, so the
 * conversions are the one place where types are asserted.
 */
export const number = (value: Value): number => value as unknown as number;
export const bigint = (value: Value): bigint => value as unknown as bigint;
export const vector = (value: Value): Uint8Array => value as unknown as Uint8Array;
export const i32 = (value: number): I32 => (value | 0) as unknown as I32;
export const i64 = (value: bigint): I64 => BigInt.asUintN(64, value) as unknown as I64;
export const v128 = (value: Uint8Array): V128 => value as unknown as V128;

/** Pure operations that compute at once. */
export const BACKEND: PureBackend = {
  apply: (name, operands) => (PURE[name] as (...values: unknown[]) => unknown)(...operands),
  constI32: (value) => i32(typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value),
  constI64: (value) => i64(BigInt(value)),
  constF32: (value) => toBits32(value) as unknown as F32,
  constF64: (value) => toBits64(value) as unknown as F64,
  constV128: (low, high) => {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt.asUintN(64, low), true);
    view.setBigUint64(8, BigInt.asUintN(64, high), true);
    return v128(bytes);
  },
  shuffle: (a, b, lanes) => {
    const source = [...vector(a), ...vector(b)];
    return v128(Uint8Array.from(lanes, (lane) => source[lane]!));
  },
};

/** A variable that holds a value. */
export function variable<T extends Value>(initial: T): Var<T> {
  let current = initial;
  return {
    get: () => current,
    set: (value) => {
      current = value;
    },
  };
}

/** The low `length` bytes of a value, least significant first. */
export function bytesOf(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes.subarray(0, length);
}
