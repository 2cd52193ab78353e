/** Words to ask about: random ones, and strides through the whole space. */
import { Random } from '../../packages/kernel/test/cpu-state.ts';

export interface Sample {
  readonly name: string;
  readonly count: number;
  /** The nth word. */
  readonly words: (count: number) => Uint32Array;
}

const SEED = 20_261_122;

function randomWords(count: number): Uint32Array {
  const random = new Random(SEED);
  return Uint32Array.from({ length: count }, () => random.next());
}

/** Odd, so that low bits vary too. */
const STRIDE = 4099;

/** Each value of the upper half, with lower halves that differ from one to the next. */
const UPPER_HALVES = 0x1_0000;
const lowerHalf = (n: number): number => Math.imul(n, 0x9e37_79b1) >>> 16;

/** The first `n` words of each are a sample too. */
export const SAMPLES: readonly Sample[] = [
  { name: 'random', count: 1_000_000, words: randomWords },
  {
    name: `every ${STRIDE}th word`,
    count: Math.floor(2 ** 32 / STRIDE),
    words: (count) => Uint32Array.from({ length: count }, (_, n) => n * STRIDE),
  },
  {
    name: 'every upper half',
    count: 16 * UPPER_HALVES,
    words: (count) =>
      Uint32Array.from({ length: count }, (_, n) => (n % UPPER_HALVES) * 0x1_0000 + lowerHalf(n + 1)),
  },
];
