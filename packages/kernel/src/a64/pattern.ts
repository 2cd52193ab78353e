/**
 * `insn()`: an encoding diagram and its meaning make one row.
 *
 * The diagram is the manual's, most significant bit first: `sf:1 0 0 100010 sh:1 imm12:12 Rn:5 Rd:5`. A token is a
 * run of fixed bits or `name:width`. Field names come out as the type of what `select` and `operands` read.
 */
import { SINK_SLOT, SP_SLOT, V, X, ZERO_SLOT } from '../state/vcpu-state.ts';
import type { Emitter, Reach } from './emitter.ts';

type FieldOf<Token extends string> = Token extends `${infer Name}:${string}` ? Name : never;
type FieldNames<Pattern extends string> = Pattern extends `${infer Head} ${infer Rest}`
  ? FieldOf<Head> | FieldNames<Rest>
  : FieldOf<Pattern>;

/** The fields of one instruction word, as unsigned numbers. */
export type Fields<Pattern extends string> = { readonly [Name in FieldNames<Pattern>]: number };

/** Finite domains of the static parameters: each combination is one handler. */
export type Domains = { readonly [name: string]: readonly (string | number | boolean)[] };
export type Point<D extends Domains> = { readonly [Name in keyof D]: D[Name][number] };

/**
 * What the decoder stores for the handler: fields `a`, `b`, `c` are 16 bits each; `imm` is 64 bits, given as a number
 * (sign-extended from what it holds, |imm| < 2⁵³) or as two halves.
 */
export interface Operands {
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly imm?: number;
  /** Bits 31:0 and 63:32, where a number cannot hold the immediate. */
  readonly immLow?: number;
  readonly immHigh?: number;
}

/** What decoding may depend on besides the word. */
export interface DecodeSite {
  /** Byte offset of the instruction in its 4 KiB page. */
  readonly offset: number;
  /** Where the plain storage of a system register is: its state offset, or -1 if an access is more than that. */
  plainSysreg(key: number, direction: 'read' | 'write'): number;
}

export interface InsnOptions<Pattern extends string, D extends Domains> {
  readonly statics?: D;
  /** The point of `statics` that a word selects; `null` = not allocated. Absent = the only point. */
  readonly select?: (fields: Fields<Pattern>, site: DecodeSite, word: number) => Point<D> | null;
  readonly operands?: (fields: Fields<Pattern>, site: DecodeSite, word: number) => Operands;
  readonly emit: (c: Emitter, point: Point<D>) => void;
  /** Frequent enough to live in the interpreter's loop; the others are functions of their own. */
  readonly hot?: boolean | ((point: Point<D>) => boolean);
  /** Control never reaches the next instruction. */
  readonly ends?: boolean;
  readonly stack?: StackOptions<Pattern, D>;
  /** Part of a frequent pair that the interpreter dispatches at once: see {@link PairRole}. */
  readonly pair?: (point: Point<D>) => PairRole | undefined;
}

/**
 * A `compare` followed by a `branch` in one page is one handler. A compare can neither fault nor leave; a branch is
 * conditional and stays in its page.
 */
export type PairRole = 'compare' | 'branch';

/** For an instruction that writes SP: when its alignment must be looked at. */
export interface StackOptions<Pattern extends string, D extends Domains> {
  /** The points that can write SP; absent = all. */
  readonly at?: (point: Point<D>) => boolean;
  /** Whether a word may leave SP unaligned to 16 bytes, where it was aligned, or the reverse. */
  readonly moved: (fields: Fields<Pattern>) => boolean;
}

interface FieldPlace {
  readonly name: string;
  readonly shift: number;
  readonly mask: number;
}

/** One encoding and what it means. */
export interface Insn {
  readonly name: string;
  /** As the manual draws it: fixed bits, and fields with their width. */
  readonly diagram: string;
  /** Fixed bits: `(word & mask) >>> 0 === value`. */
  readonly mask: number;
  readonly value: number;
  readonly ends: boolean;
  /** Decoding depends on nothing but the word: not on the site. */
  readonly siteless: boolean;
  /** Number of handlers. */
  readonly size: number;
  /** The handler (0 ≤ n < size) that a word selects, or -1 if it is not allocated. */
  select(word: number, site: DecodeSite): number;
  operands(word: number, site: DecodeSite): Operands;
  emit(c: Emitter, handler: number): void;
  isHot(handler: number): boolean;
  /** See {@link InsnOptions.pair}. */
  pairRole(handler: number): PairRole | undefined;
  /** Whether some word of the handler may change the alignment of SP. */
  mayMoveStack(handler: number): boolean;
  /** Whether this word may. */
  movesStack(word: number): boolean;
  /** The static parameters of a handler, for names and tables. */
  point(handler: number): Readonly<Record<string, string | number | boolean>>;
}

const NO_OPERANDS: Operands = {};

/** Splits a diagram into its fixed bits and its fields. @throws RangeError if it is not 32 bits long */
function parsePattern(name: string, pattern: string): { mask: number; value: number; fields: FieldPlace[] } {
  let mask = 0;
  let value = 0;
  let left = 32;
  const fields: FieldPlace[] = [];
  for (const token of pattern.split(' ')) {
    const [field, width] = token.split(':');
    if (field !== undefined && width !== undefined) {
      left -= Number(width);
      fields.push({ name: field, shift: left, mask: 2 ** Number(width) - 1 });
    } else {
      if (!/^[01]+$/.test(token)) {
        throw new RangeError(`${name}: "${token}" is neither fixed bits nor a field`);
      }
      left -= token.length;
      mask |= (2 ** token.length - 1) << left;
      value |= parseInt(token, 2) << left;
    }
  }
  if (left !== 0) throw new RangeError(`${name}: the diagram has ${32 - left} bits`);
  return { mask: mask >>> 0, value: value >>> 0, fields };
}

/** An object whose getters read the fields of the word it holds; reused for every decode. */
function fieldReader(places: readonly FieldPlace[]): { word: number } {
  const reader = { word: 0 };
  for (const { name, shift, mask } of places) {
    Object.defineProperty(reader, name, { get: () => (reader.word >>> shift) & mask });
  }
  return reader;
}

/** A {@link fieldReader} that keeps account of the bits it was asked for. */
function recordingReader(places: readonly FieldPlace[]): { word: number; seen: number } {
  const reader = { word: 0, seen: 0 };
  for (const { name, shift, mask } of places) {
    const get = (): number => {
      reader.seen |= mask << shift;
      return (reader.word >>> shift) & mask;
    };
    Object.defineProperty(reader, name, { get });
  }
  return reader;
}

/** Answers kept at most by one {@link SelectCache}. */
const CACHE_LIMIT = 8192;

/**
 * What words select, by the bits that `select` has ever looked at: words that agree in them select alike. Much faster
 * than asking again.
 */
class SelectCache {
  readonly #handlers = new Map<number, number>();
  #mask = 0;

  /** @returns `undefined` if it is not known */
  find(word: number): number | undefined {
    return this.#handlers.get(word & this.#mask);
  }

  /** @param seen - the bits that led to the answer */
  add(word: number, seen: number, handler: number): void {
    if ((seen & ~this.#mask) !== 0 || this.#handlers.size >= CACHE_LIMIT) {
      this.#mask |= seen;
      this.#handlers.clear();
    }
    this.#handlers.set(word & this.#mask, handler);
  }
}

type AnyPoint = Record<string, string | number | boolean>;

/** Every combination of the static parameters; the last one changes fastest. */
function pointsOf(domains: readonly (readonly [name: string, domain: Domains[string]])[]): AnyPoint[] {
  const size = domains.reduce((product, [, domain]) => product * domain.length, 1);
  return Array.from({ length: size }, (_, n) => {
    const point: AnyPoint = {};
    let stride = size;
    for (const [name, domain] of domains) {
      stride /= domain.length;
      point[name] = domain[Math.floor(n / stride) % domain.length]!;
    }
    return point;
  });
}

/**
 * Defines an instruction.
 *
 * @param pattern - encoding diagram, 32 bits
 * @throws RangeError if the diagram is malformed: at load time, so a test sees it
 */
export function insn<const Pattern extends string, const D extends Domains = Record<never, never>>(
  name: string,
  pattern: Pattern,
  options: InsnOptions<Pattern, D>,
): Insn {
  const { mask, value, fields } = parsePattern(name, pattern);
  const reader = fieldReader(fields);
  const typed = reader as unknown as Fields<Pattern>;
  const recorder = recordingReader(fields);
  const recorded = recorder as unknown as Fields<Pattern>;
  const domains = Object.entries(options.statics ?? {});
  const points = pointsOf(domains);
  const { select, operands, emit, hot, stack } = options;
  const indexOf = (point: AnyPoint): number =>
    domains.reduce((index, [key, domain]) => index * domain.length + domain.indexOf(point[key]!), 0);
  // A function of the fields alone depends on nothing else.
  const cache = select?.length === 1 ? new SelectCache() : undefined;
  return {
    name,
    diagram: pattern,
    mask,
    value,
    ends: options.ends === true,
    siteless: (select?.length ?? 0) <= 1 && (operands?.length ?? 0) <= 1,
    size: points.length,
    select(word, site) {
      if (!select) return 0;
      const known = cache?.find(word);
      if (known !== undefined) return known;
      recorder.word = word;
      recorder.seen = 0;
      const point = select(recorded, site, word) as AnyPoint | null;
      const handler = point ? indexOf(point) : -1;
      cache?.add(word, recorder.seen, handler);
      return handler;
    },
    operands(word, site) {
      if (!operands) return NO_OPERANDS;
      reader.word = word;
      return operands(typed, site, word);
    },
    emit: (c, handler) => emit(c, points[handler] as Point<D>),
    isHot: (handler) => (typeof hot === 'function' ? hot(points[handler] as Point<D>) : hot === true),
    pairRole: (handler) => options.pair?.(points[handler] as Point<D>),
    mayMoveStack: (handler) => stack !== undefined && stack.at?.(points[handler] as Point<D>) !== false,
    movesStack(word) {
      if (!stack) return false;
      reader.word = word;
      return stack.moved(typed);
    },
    point: (handler) => points[handler]!,
  };
}

// ---- operand slots

/** Slot of register `n` read with 31 = XZR. */
export const source = (n: number): number => (n === 31 ? ZERO_SLOT : X + 8 * n);
/** Slot of register `n` written with 31 = XZR: what is written there is lost. */
export const target = (n: number): number => (n === 31 ? SINK_SLOT : X + 8 * n);
/** Slot of register `n` with 31 = SP. */
export const orSp = (n: number): number => (n === 31 ? SP_SLOT : X + 8 * n);
/** Slot of vector register `n`. */
export const vector = (n: number): number => V + 16 * n;

/** Sign-extends the low `bits` of a field. */
export const signExtend = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);

/** Where a branch by `displacement` bytes goes, seen from its page. */
export function reachOf(site: DecodeSite, displacement: number): Reach {
  const to = site.offset + displacement;
  if (to < 0 || to >= 4096) return 'far';
  return displacement > 0 ? 'ahead' : 'back';
}
