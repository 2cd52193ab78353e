/**
 * Register files for instruction tests, made from a number, so that a recorded case needs to hold only what changed.
 *
 * The reference (tools/vectors) and the replay both call {@link stateOf}; a change of it makes every vector void.
 */

/** Where test memory lies in the guest's address space. */
export const WINDOW = 0x4000_0000;
export const WINDOW_SIZE = 0x2_0000;
/** Where a case's words lie: in the middle of a page, so that branches can go both ways within it. */
export const CODE = 0x4010_0800;

/** What user space sees of a CPU. */
export interface CpuState {
  /** x0 to x30. */
  readonly x: BigUint64Array;
  sp: bigint;
  pc: bigint;
  /** N, Z, C, V in bits 3:0. */
  nzcv: number;
  fpcr: number;
  fpsr: number;
  /** v0 to v31, low half first. */
  readonly v: BigUint64Array;
}

/** A copy that can be changed. */
export const copyState = (state: CpuState): CpuState => ({
  ...state,
  x: state.x.slice(),
  v: state.v.slice(),
});

/**
 * What kind of values the registers hold.
 *
 * - `integer`: anything; FPCR = 0
 * - `float`: also FPCR with any rounding mode, FZ, DN, AHP; FPSR.IXC often set, as in a program that runs
 * - `half`: as `float`, with values of half precision in most vectors, and FPCR.FZ16
 * - `branch`: x registers are addresses that can be branched to and are not mapped
 * - `memory`: x0 to x15 lie in the window, x16 to x30 are small offsets
 * - `aligned`: as `memory`, x0 to x15 multiples of 16
 */
export const PROFILES = ['integer', 'float', 'half', 'branch', 'memory', 'aligned'] as const;
export type Profile = (typeof PROFILES)[number];

/** Contents of the window before each case. */
export function windowPattern(): Uint8Array {
  return Uint8Array.from({ length: WINDOW_SIZE }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 24);
}

/** Numbers that follow from a seed (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** 32 bits. */
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  next64(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

const U64 = (value: bigint): bigint => BigInt.asUintN(64, value);

const INTEGERS = [
  0n,
  1n,
  2n,
  -1n,
  -2n,
  31n,
  32n,
  63n,
  64n,
  0x7fn,
  0x80n,
  0x7fffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  -0x8000_0000n,
  0x7fff_ffff_ffff_ffffn,
  -0x8000_0000_0000_0000n,
  0x5555_5555_5555_5555n,
].map(U64);

/** Zero, smallest and largest of each kind, one, halves, infinity, quiet and signalling NaN, powers around 2³¹, 2⁶³. */
const BINARY64 = [
  0x0000_0000_0000_0000n,
  0x0000_0000_0000_0001n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x3fe0_0000_0000_0000n,
  0x3ff0_0000_0000_0000n,
  0x3ff0_0000_0000_0001n,
  0x3ff8_0000_0000_0000n,
  0x4004_0000_0000_0000n,
  0x41df_ffff_ffc0_0000n,
  0x41e0_0000_0000_0000n,
  0x41f0_0000_0000_0000n,
  0x43e0_0000_0000_0000n,
  0x43f0_0000_0000_0000n,
  0x47ef_ffff_f000_0000n,
  0x3690_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0x7ff8_0000_0000_1234n,
];
const BINARY32 = [
  0x0000_0000, 0x0000_0001, 0x007f_ffff, 0x0080_0000, 0x3f00_0000, 0x3f80_0000, 0x3f80_0001, 0x3fc0_0000,
  0x4020_0000, 0x4eff_ffff, 0x4f00_0000, 0x4f80_0000, 0x5f00_0000, 0x5f80_0000, 0x3380_0000, 0x477f_e000,
  0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0x7fc0_1234,
];
const BINARY16 = [0x0000, 0x0001, 0x03ff, 0x0400, 0x3800, 0x3c00, 0x3c01, 0x7bff, 0x7c00, 0x7c01, 0x7e12];
const BYTES = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xff];

function integer(random: Random, earlier: readonly bigint[]): bigint {
  switch (random.below(6)) {
    case 0:
    case 1:
      return random.next64();
    case 2:
      return random.pick(INTEGERS);
    case 3:
      return BigInt(random.next());
    case 4:
      return U64(BigInt(random.below(256)) - 128n);
    default:
      return earlier.length > 0 ? random.pick(earlier) : 0n;
  }
}

const sign = (random: Random, top: bigint): bigint => (random.below(2) ? top : 0n);

/** One half of a vector register. */
function half(random: Random, earlier: readonly bigint[]): bigint {
  const lanes = (count: number, value: () => bigint): bigint => {
    let bits = 0n;
    for (let lane = 0; lane < count; lane++) bits = (bits << BigInt(64 / count)) | value();
    return bits;
  };
  switch (random.below(9)) {
    case 0:
    case 1:
      return random.next64();
    case 2:
      return random.pick(BINARY64) | sign(random, 1n << 63n);
    case 3:
      return lanes(2, () => BigInt(random.pick(BINARY32)) | sign(random, 1n << 31n));
    case 4:
      return lanes(4, () => BigInt(random.pick(BINARY16)) | sign(random, 1n << 15n));
    case 5:
      return lanes(8, () => BigInt(random.pick(BYTES)));
    case 6: {
      // A number near 1, so that sums and products stay finite.
      const exponent = 1023 - 30 + random.below(60);
      return (BigInt(exponent) << 52n) | (random.next64() >> 12n) | sign(random, 1n << 63n);
    }
    case 7:
      return lanes(2, () => {
        const exponent = 127 - 20 + random.below(40);
        return (BigInt(exponent) << 23n) | BigInt(random.next() >>> 9) | sign(random, 1n << 31n);
      });
    default:
      return earlier.length > 0 ? random.pick(earlier) : 0n;
  }
}

/** Four values of half precision: corner values, and numbers near 1. */
function halfPrecision(random: Random): bigint {
  let bits = 0n;
  for (let lane = 0; lane < 4; lane++) {
    const near = ((15 - 8 + random.below(16)) << 10) | random.below(1024);
    const any = random.pick([random.pick(BINARY16), near, random.next() & 0x7fff]);
    bits = (bits << 16n) | BigInt(any) | sign(random, 0x8000n);
  }
  return bits;
}

const MIDDLE = BigInt(WINDOW + WINDOW_SIZE / 2);

function address(random: Random, aligned: boolean): bigint {
  const offset = random.below(0x2000) - 0x1000;
  return MIDDLE + BigInt(aligned ? offset & ~15 : offset);
}

function general(random: Random, profile: Profile, n: number, earlier: readonly bigint[]): bigint {
  switch (profile) {
    case 'integer':
    case 'float':
    case 'half':
      return integer(random, earlier);
    case 'branch':
      return n % 3 === 0 ? random.pick([0n, 1n, 1n << 31n]) : random.next64() & 0x7fff_ffff_fffcn;
    case 'memory':
    case 'aligned':
      if (n < 16) return address(random, profile === 'aligned');
      return random.below(8) === 0 ? U64(BigInt(random.below(0x800)) - 0x400n) : BigInt(random.below(0x400));
  }
}

/** FPCR: rounding mode, and sometimes FZ, DN, AHP; of `half` also FZ16. */
function controlOf(profile: Profile, random: Random): number {
  if (profile !== 'float' && profile !== 'half') return 0;
  const mode = random.below(4) << 22;
  const rare = (bit: number): number => (random.below(4) === 0 ? 1 << bit : 0);
  if (random.below(3) === 0) return 0;
  const control = mode | rare(24) | rare(25) | rare(26);
  return profile === 'half' ? control | rare(19) : control;
}

/** FPSR: sometimes everything, and for `float` and `half` often IXC alone. */
function statusOf(profile: Profile, random: Random): number {
  if (random.below(8) === 0) return 0x0800_009f;
  return (profile === 'float' || profile === 'half') && random.below(2) === 0 ? 0x10 : 0;
}

/** The registers that a seed stands for. */
export function stateOf(profile: Profile, seed: number): CpuState {
  const random = new Random(seed);
  const x: bigint[] = [];
  for (let n = 0; n < 31; n++) x.push(general(random, profile, n, x));
  const v: bigint[] = [];
  for (let n = 0; n < 64; n++) {
    v.push(profile === 'half' && random.below(4) > 0 ? halfPrecision(random) : half(random, v));
  }
  return {
    x: BigUint64Array.from(x),
    sp: MIDDLE,
    pc: BigInt(CODE),
    nzcv: random.below(16),
    fpcr: controlOf(profile, random),
    fpsr: statusOf(profile, random),
    v: BigUint64Array.from(v),
  };
}
