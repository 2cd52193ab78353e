/** Instruction words → decoded ops. First touch of code is what a boot feels, so it decodes ahead in straight lines. */
import type { DecodeTable } from '../a64/decode.ts';
import type { DecodeSite } from '../a64/pattern.ts';
import type { Words } from '../state/words.ts';
import type { HandlerPlan } from './build.ts';
import { coldModuleOf } from './cold-module.ts';
import { HANDLER_DECODE, HANDLER_UNDEFINED, OPS_PER_PAGE, OP_SIZE } from './uop.ts';

/** Which system registers are plain storage: {@link DecodeSite.plainSysreg}. */
export type PlainSysreg = DecodeSite['plainSysreg'];

/** Instructions decoded at one call at most. */
const AHEAD = 32;

/** Ops of words decoded before, direct-mapped: code repeats itself, half of a kernel's words or more. */
const KNOWN_LOG = 13;
const KNOWN_WORDS = OP_SIZE / 4;
const knownIndex = (word: number): number => Math.imul(word, 0x9e37_79b1) >>> (32 - KNOWN_LOG);

export class Decoder {
  /** The word of each entry; 0, which is UDF, is never known. */
  readonly #known = new Uint32Array(1 << KNOWN_LOG);
  readonly #knownOps = new Uint32Array(KNOWN_WORDS << KNOWN_LOG);
  readonly #words: Words;
  readonly #table: DecodeTable;
  readonly #plan: HandlerPlan;
  /** Modules that were asked for. */
  readonly #loaded = new Set<number>();
  readonly #load: (module: number) => void;
  readonly #site: { offset: number; plainSysreg: PlainSysreg };

  /** @param load - called for each module of interp/cold-module.ts when a decoded op is the first to need it */
  constructor(
    words: Words,
    table: DecodeTable,
    plan: HandlerPlan,
    plainSysreg: PlainSysreg,
    load: (module: number) => void = () => {},
  ) {
    this.#words = words;
    this.#table = table;
    this.#plan = plan;
    this.#load = load;
    this.#site = { offset: 0, plainSysreg };
  }

  /**
   * Decodes from one op on, until the code branches away, meets decoded code or the page ends.
   *
   * @param op - address of the first op
   * @param code - user address of its instruction
   * @param sources - is told the words of what is decoded, by their place in the page
   */
  decode(op: number, code: number, sources: Uint32Array): void {
    const { u16, u32 } = this.#words;
    const most = Math.min(AHEAD, OPS_PER_PAGE - ((code & 4095) >>> 2));
    for (let count = 0, at = op, word = code; count < most; count++, at += OP_SIZE, word += 4) {
      const source = u32[word >>> 2]!;
      const met = u16[at >>> 1] !== HANDLER_DECODE;
      const ends = met || this.#decodeOne(at, source, word & 4095);
      if (!met) sources[(word & 4095) >>> 2] = source;
      if ((word & 4095) !== 0) this.#joinPair(at - OP_SIZE);
      if (ends) return;
    }
  }

  #need(module: number): void {
    if (this.#loaded.has(module)) return;
    this.#loaded.add(module);
    this.#load(module);
  }

  /** Where an op and the next one are a pair, the first gets the handler of both. The second keeps its own. */
  #joinPair(op: number): void {
    const { u16 } = this.#words;
    const pair = this.#plan.pair(u16[op >>> 1]!, u16[(op + OP_SIZE) >>> 1]!);
    if (pair !== 0) u16[op >>> 1] = pair;
  }

  /** @returns whether control cannot go on behind the instruction */
  #decodeOne(op: number, word: number, offset: number): boolean {
    const { u16, u32 } = this.#words;
    const known = knownIndex(word);
    if (this.#known[known] === word && word !== 0) {
      for (let i = 0; i < KNOWN_WORDS; i++) u32[(op >>> 2) + i] = this.#knownOps[KNOWN_WORDS * known + i]!;
      return false;
    }
    const insn = this.#table.find(word);
    const site = this.#site;
    site.offset = offset;
    const point = insn ? insn.select(word, site) : -1;
    if (!insn || point < 0) {
      u32[(op >>> 2) + 2] = word;
      u16[op >>> 1] = HANDLER_UNDEFINED;
      return true;
    }
    const { a = 0, b = 0, c = 0, imm = 0, immLow, immHigh } = insn.operands(word, site);
    u16[(op >>> 1) + 1] = a;
    u16[(op >>> 1) + 2] = b;
    u16[(op >>> 1) + 3] = c;
    u32[(op >>> 2) + 2] = immLow ?? imm;
    u32[(op >>> 2) + 3] =
      immHigh ?? (imm < 0 && immLow === undefined ? Math.floor(imm / 0x1_0000_0000) : imm / 0x1_0000_0000);
    const handler = this.#plan.number(insn, point, insn.movesStack(word));
    if (handler >= this.#plan.own) this.#need(coldModuleOf(this.#plan, handler));
    u16[op >>> 1] = handler;
    if (insn.siteless && !insn.ends) {
      this.#known[known] = word;
      for (let i = 0; i < KNOWN_WORDS; i++) this.#knownOps[KNOWN_WORDS * known + i] = u32[(op >>> 2) + i]!;
    }
    return insn.ends;
  }
}
