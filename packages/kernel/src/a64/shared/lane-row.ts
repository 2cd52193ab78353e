/** Rows of Advanced SIMD whose fields `size` and, for vectors, `Q` give the arrangement. */
import type { Emitter } from '../emitter.ts';
import {
  allocated,
  scalarArrangement,
  SHAPES,
  vectorArrangement,
  type Arrangement,
  type Shape,
} from './arrangement.ts';

/** An instruction on vectors and, where it has `scalar`, one on the lowest lane. */
export interface LaneRow {
  readonly name: string;
  readonly U: '0' | '1';
  readonly opcode: string;
  readonly vector: readonly Arrangement[];
  readonly scalar?: readonly Arrangement[];
}

/** What a row does with operands of a shape. */
export type LaneAction = (c: Emitter, shape: Shape) => void;

const onArrangements = (arrangements: readonly Arrangement[], act: LaneAction) => ({
  statics: { T: arrangements },
  emit: (c: Emitter, { T }: { readonly T: Arrangement }): void => {
    c.requireFp();
    act(c, SHAPES[T]);
  },
});

/** Options of the instruction on vectors. */
export const onVectors = (arrangements: readonly Arrangement[], act: LaneAction) => ({
  ...onArrangements(arrangements, act),
  select: ({ size, Q }: { readonly size: number; readonly Q: number }) =>
    allocated(arrangements, vectorArrangement(size, Q)),
});

/** Options of the instruction on the lowest lane. */
export const onScalars = (arrangements: readonly Arrangement[], act: LaneAction) => ({
  ...onArrangements(arrangements, act),
  select: ({ size }: { readonly size: number }) => allocated(arrangements, scalarArrangement(size)),
});
