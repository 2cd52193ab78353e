/**
 * IEEE 754 values as bit patterns, so that every NaN keeps its bits where WebAssembly keeps them: binary32 as a signed
 * 32-bit number, binary64 as an unsigned 64-bit bigint.
 */

const scratch = new DataView(new ArrayBuffer(8));

/** The value of a binary32 pattern. */
export function fromBits32(bits: number): number {
  scratch.setInt32(0, bits);
  return scratch.getFloat32(0);
}

/** The binary32 pattern of a number, rounded to nearest. */
export function toBits32(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getInt32(0);
}

/** The value of a binary64 pattern. */
export function fromBits64(bits: bigint): number {
  scratch.setBigUint64(0, bits);
  return scratch.getFloat64(0);
}

/** The binary64 pattern of a number. */
export function toBits64(value: number): bigint {
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

/** Rounds to an integral value, ties to even; keeps the sign of zero. */
export function nearest(value: number): number {
  const floor = Math.floor(value);
  const distance = value - floor;
  if (!(distance > 0)) return value; // integral, infinite or NaN
  const up = distance > 0.5 || (distance === 0.5 && floor % 2 !== 0);
  const rounded = up ? floor + 1 : floor;
  return rounded === 0 && value < 0 ? -0 : rounded;
}

/** An integer as the binary64 number that rounds to binary32 as the integer itself does. */
export function integerForBinary32(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 1n << 53n) return Number(value);
  // What is cut off is kept as one sticky bit, far below the last bit of binary32.
  const sticky = (magnitude >> 11n) | ((magnitude & 0x7ffn) === 0n ? 0n : 1n);
  return Number(value < 0n ? -sticky : sticky) * 2048;
}

/** A finite number as `mantissa × 2^exponent`. */
function split(value: number): { mantissa: bigint; exponent: number } {
  const bits = toBits64(value);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  return { mantissa: bits >> 63n ? -mantissa : mantissa, exponent: Math.max(biased, 1) - 1075 };
}

/** `mantissa × 2^exponent`, rounded to nearest even at `precision` bits and no finer than 2^`minimum`. */
function round(mantissa: bigint, exponent: number, precision: number, minimum: number): number {
  const negative = mantissa < 0n;
  let magnitude = negative ? -mantissa : mantissa;
  let scale = exponent;
  const drop = Math.max(magnitude.toString(2).length - precision, minimum - scale);
  if (drop > 0) {
    const rest = magnitude & ((1n << BigInt(drop)) - 1n);
    const half = 1n << BigInt(drop - 1);
    magnitude >>= BigInt(drop);
    scale += drop;
    if (rest > half || (rest === half && (magnitude & 1n) === 1n)) magnitude += 1n;
  }
  // Two factors: 2^scale alone may be too small for a number.
  const first = Math.trunc(scale / 2);
  const result = Number(magnitude) * 2 ** first * 2 ** (scale - first);
  return negative ? -result : result;
}

/** a × b + c, rounded once. @param precision - 24 for binary32, 53 for binary64 */
export function fusedMultiplyAdd(a: number, b: number, c: number, precision: 24 | 53): number {
  const product = a * b;
  if (!Number.isFinite(a) || !Number.isFinite(b) || !Number.isFinite(c)) {
    // A product that only overflows is no infinity here.
    return Number.isFinite(a) && Number.isFinite(b) ? c : product + c;
  }
  const x = split(a);
  const y = split(b);
  const z = split(c);
  const exponent = x.exponent + y.exponent;
  const low = Math.min(exponent, z.exponent);
  const sum =
    ((x.mantissa * y.mantissa) << BigInt(exponent - low)) + (z.mantissa << BigInt(z.exponent - low));
  if (sum !== 0n) return round(sum, low, precision, precision === 24 ? -149 : -1074);
  // An exact zero: its sign is that of the addition of the signed terms.
  const zeroProduct = x.mantissa === 0n || y.mantissa === 0n;
  return zeroProduct ? product + c : 0;
}
