/**
 * The soft TLB: four tables (read and write, for EL0 and for EL1), one eight-byte entry for each VA[31:12].
 *
 * An entry is `host page − VA page`, so `VA + entry` is the place in process memory, and a hit is a sum below
 * {@link HIT_LIMIT}: its upper half is 0 and its page is not the last one below 4 GiB. Two pages of one slot differ by a
 * multiple of 4 GiB, so exactly 20 index bits make that sound. An empty entry brings every address of its slot to that
 * last page, whatever the upper half: it never hits. (Memory that does lie in the last page is never hit either, and
 * is translated at every access.)
 *
 * Entries carry no ASID. Fills are logged, those of global and non-global mappings apart, and a flush clears what the
 * log names: a table is 8 MiB, and a Linux boot flushes 48 000 times.
 */
import type { Block } from '../state/block.ts';
import { countFills } from '../state/engine-stats.ts';
import {
  CODE_MOVED,
  FETCH_TLB,
  FETCH_TLB_SIZE,
  FILL_LOG_GLOBAL,
  FILL_LOG_NON_GLOBAL,
  HUGE_MAPPINGS,
  LARGE_MAPPINGS,
  NO_KEY,
  NO_MEMORY_KEY,
  TLB,
  TLB_TABLE_SIZE,
} from '../state/vcpu-state.ts';
import type { I32, PureOps } from '../wasm/pure.ts';
import { dropNonGlobalWindow, dropWindow, dropWindowAt } from './window.ts';

export const TLB_TABLES = 4;
/** The last page of 4 GiB. */
export const HIT_LIMIT = 0xffff_f000;
/** As good a limit where memory ends at 2 GiB: only its last page lies between. */
export const SMALL_HIT_LIMIT = 0x7fff_f000;
export const FETCH_ENTRIES = FETCH_TLB_SIZE / 16;

const SLOTS = TLB_TABLE_SIZE / 8;
/** Slots of one 2 MiB stretch of VA. */
const STRETCH = 512;

/**
 * Emits the offset of an address's entry in its table. Shifts, because x86 adds a number times eight as it adds a number.
 *
 * @param low - the low word of the address
 */
export const offsetOfEntry = ({ i32 }: PureOps, low: I32): I32 =>
  i32.shl(i32.shr_u(low, i32.const(12)), i32.const(3));

export class Tlb {
  readonly #vcpu: Block;
  readonly #words: Uint32Array;

  constructor(vcpu: Block) {
    this.#vcpu = vcpu;
    this.#words = vcpu.words.u32;
  }

  /** Empties everything, whatever the logs say: for a new vCPU. */
  format(): void {
    const { u8 } = this.#vcpu.words;
    const start = this.#vcpu.base + TLB;
    for (let slot = 0; slot < SLOTS; slot++) this.#clear(start + 8 * slot);
    for (let table = 1; table < TLB_TABLES; table++) {
      u8.copyWithin(start + table * TLB_TABLE_SIZE, start, start + TLB_TABLE_SIZE);
    }
    this.#vcpu.set32(FILL_LOG_GLOBAL, 0);
    this.#vcpu.set32(FILL_LOG_NON_GLOBAL, 0);
    this.#vcpu.set32(NO_MEMORY_KEY, NO_KEY);
    this.#clearBitmaps();
    dropWindow(this.#vcpu);
    this.flushFetch();
  }

  #clearBitmaps(): void {
    const start = this.#vcpu.base + LARGE_MAPPINGS;
    this.#vcpu.words.u8.fill(0, start, start + 2 * (HUGE_MAPPINGS - LARGE_MAPPINGS));
  }

  /** @param entry - byte address of an entry */
  #clear(entry: number): void {
    const slot = ((entry - this.#vcpu.base - TLB) >>> 3) & (SLOTS - 1);
    this.#words[entry >>> 2] = HIT_LIMIT - (slot << 12);
    this.#words[(entry >>> 2) + 1] = 0;
  }

  #clearLogged(log: number): void {
    countFills(this.#vcpu, log);
    const count = this.#vcpu.get32(log);
    const first = (this.#vcpu.base + log + 4) >>> 2;
    for (let i = 0; i < count; i++) this.#clear(this.#words[first + i]!);
    this.#vcpu.set32(log, 0);
  }

  flush(): void {
    this.#vcpu.set32(NO_MEMORY_KEY, NO_KEY);
    this.#clearLogged(FILL_LOG_GLOBAL);
    this.#clearLogged(FILL_LOG_NON_GLOBAL);
    this.#clearBitmaps();
    dropWindow(this.#vcpu);
    this.flushFetch();
  }

  /** Entries of non-global mappings: after a change of TTBR0_EL1 or of the ASID. */
  flushNonGlobal(): void {
    this.#vcpu.set32(NO_MEMORY_KEY, NO_KEY);
    this.#clearLogged(FILL_LOG_NON_GLOBAL);
    dropNonGlobalWindow(this.#vcpu);
    this.flushFetch();
  }

  flushFetch(): void {
    // A tag of all ones has low bits set, as no page address has.
    const first = this.#vcpu.base + FETCH_TLB;
    this.#vcpu.words.u8.fill(0xff, first, first + 2 * FETCH_TLB_SIZE);
    this.#vcpu.set32(CODE_MOVED, 1);
  }

  #hasBit(bitmap: number, page: number): boolean {
    const stretch = page >>> 9;
    return ((this.#vcpu.words.u8[this.#vcpu.base + bitmap + (stretch >>> 3)]! >>> (stretch & 7)) & 1) === 1;
  }

  /**
   * What TLBI by VA asks for.
   *
   * @param page - VA[55:12]; only the low 20 bits select an entry. Where the page lies in a larger mapping, all that
   *   may have come from that mapping goes: a guest sends one TLBI for a block.
   */
  flushPage(page: number): void {
    this.#vcpu.set32(NO_MEMORY_KEY, NO_KEY);
    const slot = page & (SLOTS - 1);
    if (this.#hasBit(HUGE_MAPPINGS, slot)) {
      this.flush();
      return;
    }
    const large = this.#hasBit(LARGE_MAPPINGS, slot);
    const from = large ? slot & ~(STRETCH - 1) : slot;
    const count = large ? STRETCH : 1;
    dropWindowAt(this.#vcpu, page - (slot - from), count);
    for (let table = 0; table < TLB_TABLES; table++) {
      const start = this.#vcpu.base + TLB + table * TLB_TABLE_SIZE;
      for (let i = from; i < from + count; i++) this.#clear(start + 8 * i);
    }
    if (large) this.flushFetch();
    else this.#clearFetch(slot);
  }

  #clearFetch(slot: number): void {
    const entry = this.#vcpu.base + FETCH_TLB + 16 * (slot & (FETCH_ENTRIES - 1));
    this.#vcpu.words.set64(entry, 0xffff_ffff_ffff_ffffn);
    this.#vcpu.words.set64(entry + FETCH_TLB_SIZE, 0xffff_ffff_ffff_ffffn);
    this.#vcpu.set32(CODE_MOVED, 1);
  }
}
