/** Binary interchange formats, and the control and status bits that rule arithmetic on them. */

/** One binary format. Masks apply to a value's bits, zero-extended to 64. */
export interface FpFormat<Bits extends FpBits = FpBits> {
  readonly bits: Bits;
  /** Width of the fraction field. */
  readonly fraction: number;
  readonly bias: number;
  readonly sign: bigint;
  /** All bits but the sign. */
  readonly magnitude: bigint;
  readonly fractionMask: bigint;
  /** Positive infinity: also the mask of the exponent field. */
  readonly infinity: bigint;
  /** The fraction bit that tells a quiet NaN from a signalling one. */
  readonly quiet: bigint;
  readonly defaultNan: bigint;
}

function format<Bits extends FpBits>(bits: Bits, fraction: number): FpFormat<Bits> {
  const exponentBits = bits - 1 - fraction;
  const infinity = ((1n << BigInt(exponentBits)) - 1n) << BigInt(fraction);
  const quiet = 1n << BigInt(fraction - 1);
  return {
    bits,
    fraction,
    bias: 2 ** (exponentBits - 1) - 1,
    sign: 1n << BigInt(bits - 1),
    magnitude: (1n << BigInt(bits - 1)) - 1n,
    fractionMask: (1n << BigInt(fraction)) - 1n,
    infinity,
    quiet,
    defaultNan: infinity | quiet,
  };
}

/** Source: IEEE 754-2019, table 3.5; default NaN: Arm DDI 0487, A1.5.5. */
export const FORMATS = { 16: format(16, 10), 32: format(32, 23), 64: format(64, 52) } as const;

/** Width of the values that arithmetic takes. */
export type FpBits = 16 | 32 | 64;
export type PerBits<T> = Readonly<Record<FpBits, T>>;

/** Makes one of each for half, single and double precision. */
export const perBits = <T>(make: (f: FpFormat<FpBits>) => T): PerBits<T> => ({
  16: make(FORMATS[16]),
  32: make(FORMATS[32]),
  64: make(FORMATS[64]),
});

/** FPCR fields. Source: Arm DDI 0487, C5.2.8. */
export const FPCR_AHP = 1 << 26;
export const FPCR_DN = 1 << 25;
export const FPCR_FZ = 1 << 24;
/** Flushes half precision, but for conversions to and from other formats. */
export const FPCR_FZ16 = 1 << 19;
export const FPCR_RMODE = 3 << 22;
export const FPCR_RMODE_SHIFT = 22;

/** FPSR cumulative exception bits. Source: Arm DDI 0487, C5.2.9. */
export const FPSR_IOC = 1 << 0;
export const FPSR_DZC = 1 << 1;
export const FPSR_OFC = 1 << 2;
export const FPSR_UFC = 1 << 3;
export const FPSR_IXC = 1 << 4;
export const FPSR_IDC = 1 << 7;

/** Rounding. The first four are numbered as FPCR.RMode. */
export const ROUNDING = {
  /** To nearest, ties to even. */
  NEAREST: 0,
  PLUS: 1,
  MINUS: 2,
  ZERO: 3,
  /** To nearest, ties away from zero. */
  AWAY: 4,
  /** To odd: an inexact result has its last bit set. */
  ODD: 5,
} as const;
export type Rounding = (typeof ROUNDING)[keyof typeof ROUNDING];
