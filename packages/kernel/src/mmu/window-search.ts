/**
 * Finds the window (window.ts) when code is compiled, which may gain by it: around the stack, and as far as registers point.
 * It looks at each page, so it takes its time, and only a small part of the guest's.
 *
 * A guest whose stack lies apart from its other memory, as those of Linux do, is better off without: it has memory in many
 * pieces, and drops the window often.
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
  WINDOW_MISSES,
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
const pagesOf = (bytes: bigint): number => Math.ceil(Number(bytes) / Number(PAGE));
/** Number of the stack pointer among the registers. */
const STACK = 31;
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
/** Instructions to wait until a stack is looked at again that was in no window: twice as many each time. */
const MIN_PATIENCE = 2 ** 12;
const MAX_PATIENCE = 2 ** 26;
/** With fewer nothing is begun. */
const MIN_PROBES = 64;
/** All code is compiled again when the window is another one. A guest for which that happens more often keeps what it has. */
const MAX_MOVES = 4;
/** A miss for each so many instructions takes the time that is gained by not asking in line. */
const MISS_COST = 4096;
/** So often there may be more of them; what was so many instructions ago does not count. */
const MAX_STRIKES = 4;
const FORGIVEN = 2 ** 28;

/** Where compiled code takes the window to be; and which registers pointed into it, as bits: x0 to x30, SP. */
export interface CodeWindow {
  readonly start: bigint;
  /** User address. */
  readonly host: number;
  readonly pointers: number;
  /** What is expected in the window may be left to the interpreter where it is not. */
  readonly mayLeave: boolean;
}

export interface WindowSearchOptions {
  readonly vcpu: Block;
  readonly vm: Block;
  readonly translate: (va: bigint, purpose: number) => number;
  /** See `emitStretch`. */
  readonly stretch: (page: bigint, probes: number, step: 1 | -1, purpose: number) => bigint;
  /** All code is to be compiled again: what was compiled for the window is wrong, or slow. */
  readonly dropCode: () => void;
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
  /** Instructions at the last sample; and at how many samples there had been too many misses. */
  #sampled = 0;
  #strikes = 0;
  #struck = 0;
  /** Instructions when there was no window around the stack; and for how many that is believed. */
  #failed = -Infinity;
  #patience = MIN_PATIENCE;

  constructor(options: WindowSearchOptions) {
    this.#options = options;
  }

  /** The window for code that is compiled now, if registers point into one. */
  forCode(): CodeWindow | undefined {
    const { vcpu } = this.#options;
    const pointers = this.#pointers();
    if (pointers === 0) return undefined;
    const mayLeave = this.#strikes < MAX_STRIKES;
    return { start: this.#start, host: vcpu.get32(WINDOW_HOST), pointers, mayLeave };
  }

  /** Now and then. */
  sample(): void {
    this.#restore();
    this.#lookAtMisses();
  }

  /** Registers that point into the window, which is made or widened for them; 0 if the stack is not in it. */
  #pointers(): number {
    const { vcpu } = this.#options;
    const stack = vcpu.get64(SP_SLOT);
    const count = vcpu.getNumber(INSTRUCTIONS);
    if (!this.#holds(stack) && count - this.#failed < this.#patience) return 0;
    let pointers = 0;
    this.#unnoticed(() => {
      if (!this.#reaches(stack) && !this.#make(stack)) {
        this.#failed = count;
        this.#patience = Math.min(2 * this.#patience, MAX_PATIENCE);
        return;
      }
      pointers = 1 << STACK;
      for (let n = 0; n < STACK; n++) if (this.#reaches(vcpu.get64(X + 8 * n))) pointers |= 1 << n;
    });
    return pointers;
  }

  /** Where too much that was expected in the window is elsewhere, code is to ask the TLB instead. */
  #lookAtMisses(): void {
    const { vcpu, dropCode } = this.#options;
    const count = vcpu.getNumber(INSTRUCTIONS);
    const misses = vcpu.get32(WINDOW_MISSES);
    const areMany = misses * MISS_COST > count - this.#sampled;
    this.#sampled = count;
    vcpu.set32(WINDOW_MISSES, 0);
    if (!areMany || this.#strikes === MAX_STRIKES) return;
    const bytes = this.#bytes;
    this.#pointers();
    if (this.#bytes > bytes) return;
    this.#strikes = count - this.#struck < FORGIVEN ? this.#strikes + 1 : 1;
    this.#struck = count;
    if (this.#strikes === MAX_STRIKES) dropCode();
  }

  /** Has the stack's window, if it was dropped or did not become as large as it was to be, go as far as it can. */
  #restore(): void {
    const { vcpu } = this.#options;
    if (this.#bytes >= this.#goal || vcpu.get32(WINDOW_LEVEL) !== vcpu.get32(EL)) return;
    const stack = vcpu.get64(SP_SLOT) - this.#start;
    if (stack < 0n || stack >= this.#goal) return;
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
    if (this.#holds(va)) return true;
    if (!this.#isHere() || va < this.#start || this.#probes < MIN_PROBES) return false;
    const place = this.#placeOf(va);
    if (place?.distance !== this.#distance || place.first > this.#start) return false;
    // Twice as far, that it need not be done for each page.
    this.#widen(place, va + BigInt(this.#bytes));
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
    this.#set(place, start, this.#stretch(last, 1, place, pagesOf(end - last)));
  }

  /** Makes another window, around an address. @returns whether it did */
  #make(va: bigint): boolean {
    const { vcpu, dropCode } = this.#options;
    const place = this.#probes < MIN_PROBES ? undefined : this.#placeOf(va);
    if (!place) return false;
    const start = this.#stretch(place.page, -1, place, MAX_PROBES);
    const end = this.#stretch(place.page, 1, place, pagesOf(place.page - start) + MARGIN);
    if (end - start < Math.max(MIN_BYTES, this.#bytes + 1)) return false;
    const host = Number(place.distance + start);
    if (this.#start !== start || vcpu.get32(WINDOW_HOST) !== host) {
      if (this.#moves === MAX_MOVES) return false;
      this.#moves++;
      dropWindow(vcpu);
      dropCode();
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
