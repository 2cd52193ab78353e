/**
 * Finds the window (window.ts): around what the registers point to when code is compiled, which may gain by it. It looks at
 * each page, so it takes its time, and only a small part of the guest's.
 */
import { KVM_MEM_LOG_DIRTY_PAGES } from '@vkvm/uapi';
import type { Block } from '../state/block.ts';
import { INSTRUCTIONS } from '../state/engine-stats.ts';
import { findMemslot } from '../state/memslots.ts';
import {
  EL,
  FAULT_PA,
  FAULT_VA,
  SP_SLOT,
  SYNDROME,
  WALK_LEAF,
  WINDOW_BYTES,
  WINDOW_HOST,
  WINDOW_LEVEL,
  WINDOW_NON_GLOBAL,
  WINDOW_PROBES,
  WINDOW_START,
  X,
} from '../state/vcpu-state.ts';
import {
  GUEST_VM,
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_FLAGS,
  MEMSLOT_GPA,
  MEMSLOT_LENGTH,
  MEMSLOT_SIZE,
} from '../state/vm-state.ts';
import { REGIME_MMU, REGIME_STACK_FAULTS } from './regime.ts';
import {
  DESC_NON_GLOBAL,
  TRANSLATE_NO_MEMORY,
  TRANSLATE_PROBE,
  TRANSLATE_UNALIGNED,
  TRANSLATE_WRITE,
} from './walk.ts';
import { dropWindow, selectWindow } from './window.ts';

const PAGE = 4096n;
const MAX_64 = (1n << 64n) - 1n;

/** Less is not worth the trouble. */
const MIN_BYTES = 0x4_0000;
/** A new window goes so many pages on, behind what is pointed to. */
const MARGIN = 1024;
/**
 * Mappings that may be looked at one after the other, 50 ns each; and instructions that the guest has to execute for each
 * one more.
 */
const MAX_PROBES = 0x8000;
const PROBE_COST = 16_384;
/** With fewer nothing is begun. */
const MIN_PROBES = 64;
/** All code is compiled again when the window is another one. A guest for which that happens more often keeps what it has. */
const MAX_MOVES = 4;

/** Where compiled code takes the window to be; and which registers pointed into it, as bits: x0 to x30, SP. */
export interface CodeWindow {
  readonly start: bigint;
  /** User address. */
  readonly host: number;
  readonly pointers: number;
}

export interface WindowSearchOptions {
  readonly vcpu: Block;
  readonly vm: Block;
  readonly translate: (va: bigint, purpose: number) => number;
  /** See `emitStretch`. */
  readonly stretch: (page: bigint, probes: number, step: 1 | -1, purpose: number) => bigint;
  /** The window is another one: code that was compiled for it is wrong. */
  readonly moved: () => void;
}

/** A page of memory, and how it is mapped. */
interface Place {
  readonly page: bigint;
  /** User address less virtual address. */
  readonly distance: bigint;
  /** 1 = the mapping is not global. */
  readonly nonGlobal: number;
  /** Its memslot: the first address, and the one behind it. */
  readonly first: bigint;
  readonly end: bigint;
}

export class WindowSearch {
  readonly #options: WindowSearchOptions;
  #moves = 0;
  #probes = MAX_PROBES;
  /** Instructions that were counted when probes were last allowed. */
  #counted = 0;
  /** Bytes that the window had, or was to have. */
  #goal = 0;

  constructor(options: WindowSearchOptions) {
    this.#options = options;
  }

  /** The window for code that is compiled now, if registers point into one. */
  forCode(): CodeWindow | undefined {
    const { vcpu } = this.#options;
    let pointers = 0;
    this.#unnoticed(() => {
      for (let n = 0; n < 32; n++) {
        const value = vcpu.get64(n === 31 ? SP_SLOT : X + 8 * n);
        if (this.#holds(value) || this.#reaches(value)) pointers |= 1 << n;
      }
    });
    if (pointers === 0) return undefined;
    return { start: this.#start, host: vcpu.get32(WINDOW_HOST), pointers };
  }

  /** Has a window that was dropped, or did not become as large as it was to be, go as far again as it can. */
  restore(): void {
    const { vcpu } = this.#options;
    if (this.#bytes >= this.#goal || vcpu.get32(WINDOW_LEVEL) !== vcpu.get32(EL)) return;
    this.#unnoticed(() => {
      const place = this.#placeOf(this.#start);
      if (place?.distance === this.#distance) this.#widen(place, this.#start + BigInt(this.#goal));
      if (this.#probes >= MIN_PROBES) this.#goal = this.#bytes;
    });
  }

  get #start(): bigint {
    return this.#options.vcpu.get64(WINDOW_START);
  }

  get #bytes(): number {
    return this.#options.vcpu.getNumber(WINDOW_BYTES);
  }

  /** From the window's addresses to user addresses. */
  get #distance(): bigint {
    return BigInt(this.#options.vcpu.get32(WINDOW_HOST)) - this.#start;
  }

  /** Searches if that is possible and worth the time. Nothing that the guest or its VMM sees changes. */
  #unnoticed(search: () => void): void {
    const { vcpu, vm } = this.#options;
    if (vcpu.get32(REGIME_STACK_FAULTS) !== 0 || vm.get32(GUEST_VM) !== 0 || this.#isLogged()) return;
    const count = vcpu.getNumber(INSTRUCTIONS);
    const earned = Math.max(0, count - this.#counted) / PROBE_COST;
    this.#probes = Math.min(this.#probes + earned, MAX_PROBES);
    this.#counted = count;
    if (this.#probes < MIN_PROBES) return;
    const words = [SYNDROME, FAULT_VA, FAULT_PA, WALK_LEAF].map((at) => [at, vcpu.get64(at)] as const);
    search();
    for (const [at, value] of words) vcpu.set64(at, value);
  }

  /** Stores to some memory have to be noticed. */
  #isLogged(): boolean {
    const { vm } = this.#options;
    for (let n = 0; n < vm.get32(MEMSLOT_COUNT); n++) {
      const flags = vm.get32(MEMSLOTS + n * MEMSLOT_SIZE + MEMSLOT_FLAGS);
      if ((flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0) return true;
    }
    return false;
  }

  #isHere(): boolean {
    const { vcpu } = this.#options;
    return this.#bytes > 0 && vcpu.get32(WINDOW_LEVEL) === vcpu.get32(EL);
  }

  #holds(va: bigint): boolean {
    return this.#isHere() && va >= this.#start && va - this.#start < this.#bytes;
  }

  /** Has the window reach an address, if it can. @returns whether it does */
  #reaches(va: bigint): boolean {
    if (this.#probes < MIN_PROBES) return false;
    const place = this.#placeOf(va);
    if (!place) return false;
    const isSame = this.#isHere() && place.distance === this.#distance && place.first <= this.#start;
    if (!isSame) return this.#make(place);
    // Twice as far, that it need not be done for each page.
    if (va > this.#start) this.#widen(place, va + BigInt(this.#bytes));
    return this.#holds(va);
  }

  #purpose(): number {
    const isMapped = this.#options.vcpu.get32(REGIME_MMU) !== 0;
    // Device memory refuses what is not aligned. Without the MMU all memory is Device, and compiled code looks at that.
    return TRANSLATE_WRITE | TRANSLATE_PROBE | (isMapped ? TRANSLATE_UNALIGNED : 0);
  }

  #placeOf(va: bigint): Place | undefined {
    const { vcpu, vm, translate } = this.#options;
    const page = va - (va % PAGE);
    this.#probes--;
    const host = translate(BigInt.asIntN(64, page), this.#purpose()) >>> 0;
    if (host <= TRANSLATE_NO_MEMORY) return undefined;
    const gpa = vcpu.getNumber(FAULT_PA);
    const slot = findMemslot(vm, gpa);
    const first = page - BigInt(gpa - vm.getNumber(slot + MEMSLOT_GPA));
    return {
      page,
      distance: BigInt(host) - page,
      nonGlobal: Number((vcpu.get64(WALK_LEAF) >> BigInt(DESC_NON_GLOBAL)) & 1n),
      first,
      end: first + BigInt(vm.getNumber(slot + MEMSLOT_LENGTH)),
    };
  }

  /** How far what is mapped like a page goes on, within its memslot. @param pages - at most */
  #stretch(page: bigint, step: 1 | -1, { first, end }: Place, pages: number): bigint {
    const { vcpu, stretch } = this.#options;
    const probes = Math.floor(Math.min(pages, this.#probes));
    const to = stretch(BigInt.asIntN(64, page), probes, step, this.#purpose());
    this.#probes -= probes - vcpu.get32(WINDOW_PROBES);
    // Upwards it may have come to the end of all addresses, and so to 0.
    const reached = step === 1 ? ((to - 1n) & MAX_64) + 1n : to & MAX_64;
    if (reached < first) return first;
    return reached > end ? end : reached;
  }

  /** Widens the window, or makes it anew, up to an address. */
  #widen(place: Place, end: bigint): void {
    const start = this.#start;
    const last = this.#bytes === 0 ? start : start + BigInt(this.#bytes) - PAGE;
    const pages = Number(end - last) / Number(PAGE);
    this.#set(place, start, this.#stretch(last, 1, place, Math.ceil(pages)));
  }

  #make(place: Place): boolean {
    const { vcpu, moved } = this.#options;
    const start = this.#stretch(place.page, -1, place, MAX_PROBES);
    const pages = Number(place.page - start) / Number(PAGE);
    const end = this.#stretch(place.page, 1, place, pages + MARGIN);
    if (end - start < Math.max(MIN_BYTES, this.#bytes + 1)) return false;
    const host = Number(place.distance + start);
    if (this.#start !== start || vcpu.get32(WINDOW_HOST) !== host) {
      if (this.#moves === MAX_MOVES) return false;
      this.#moves++;
      dropWindow(vcpu);
      moved();
    }
    vcpu.set64(WINDOW_START, start);
    vcpu.set32(WINDOW_HOST, host);
    this.#set(place, start, end);
    return true;
  }

  #set({ nonGlobal }: Place, start: bigint, end: bigint): void {
    const { vcpu } = this.#options;
    vcpu.set32(WINDOW_LEVEL, vcpu.get32(EL));
    vcpu.set32(WINDOW_NON_GLOBAL, nonGlobal);
    vcpu.setNumber(WINDOW_BYTES, Number(end - start));
    this.#goal = Math.max(this.#goal, this.#bytes);
    selectWindow(vcpu);
  }
}
