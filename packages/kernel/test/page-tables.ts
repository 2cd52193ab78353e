/** Stage-1 page tables in a flat machine's RAM. Source: Arm DDI 0487, D8.3. */
import { MAIR_EL1, SCTLR_EL1, TCR_EL1, TTBR0_EL1, TTBR1_EL1 } from '../src/state/vcpu-state.ts';
import { RAM, RAM_SIZE, type FlatMachine } from './flat-machine.ts';

// ---- descriptor bits
export const TABLE = 3n;
export const PAGE = 3n;
export const BLOCK = 1n;
/** AttrIndx = 1: Device, with {@link MAIR}. */
export const DEVICE = 1n << 2n;
/** AP[1]: EL0 too. */
export const USER = 1n << 6n;
/** AP[2]. */
export const READ_ONLY = 1n << 7n;
export const AF = 1n << 10n;
export const NON_GLOBAL = 1n << 11n;
export const PXN = 1n << 53n;
export const UXN = 1n << 54n;
export const TABLE_PXN = 1n << 59n;
export const TABLE_UXN = 1n << 60n;
/** APTable[0], APTable[1]. */
export const TABLE_NO_USER = 1n << 61n;
export const TABLE_READ_ONLY = 1n << 62n;

// ---- TCR_EL1
export const EPD0 = 1n << 7n;
export const EPD1 = 1n << 23n;
export const TBI0 = 1n << 37n;
export const TBI1 = 1n << 38n;
export const E0PD0 = 1n << 55n;
export const E0PD1 = 1n << 56n;
/** 40 bits of output. */
export const IPS_40 = 2n << 32n;
/** TG0 and TG1 by log2 of the granule. */
export const TG0 = { 12: 0n << 14n, 14: 2n << 14n, 16: 1n << 14n } as const;
export const TG1 = { 12: 2n << 30n, 14: 1n << 30n, 16: 3n << 30n } as const;
export const t0sz = (size: number): bigint => BigInt(size);
export const t1sz = (size: number): bigint => BigInt(size) << 16n;

/** Attribute 0 is Normal write-back, 1 is Device-nGnRE. */
export const MAIR = 0x04ffn;

export interface Regime {
  readonly SCTLR: bigint;
  readonly TCR: bigint;
  readonly TTBR0: bigint;
  readonly TTBR1: bigint;
  readonly MAIR: bigint;
}

export function setRegime(machine: FlatMachine, { SCTLR, TCR, TTBR0, TTBR1, MAIR }: Regime): void {
  machine.vcpu.set64(SCTLR_EL1, SCTLR);
  machine.vcpu.set64(TCR_EL1, TCR);
  machine.vcpu.set64(TTBR0_EL1, TTBR0);
  machine.vcpu.set64(TTBR1_EL1, TTBR1);
  machine.vcpu.set64(MAIR_EL1, MAIR);
  machine.engine.regimeChanged();
}

/** Where the tables of {@link PageTables} lie: in the upper half of RAM. */
export const TABLES = RAM + RAM_SIZE / 2;
/** More than any test needs. */
export const TABLES_SIZE = 0x10_0000;

/** Both halves of the address space with 4 KiB pages and 48 bits: one first table each, others made as needed. */
export class PageTables {
  /** What TTBR0_EL1 and TTBR1_EL1 point to. */
  readonly roots: readonly [number, number];
  readonly #machine: FlatMachine;
  #free: number;

  /** @param base - zeroed RAM for the tables */
  constructor(machine: FlatMachine, base = TABLES) {
    this.#machine = machine;
    this.roots = [base, base + 0x1000];
    this.#free = base + 0x2000;
  }

  /** Turns the MMU on, with these tables. */
  use(sctlr = 0n, tcr = 0n): void {
    setRegime(this.#machine, {
      SCTLR: sctlr | 1n,
      TCR: tcr | t0sz(16) | t1sz(16) | TG0[12] | TG1[12] | IPS_40,
      TTBR0: BigInt(this.roots[0]),
      TTBR1: BigInt(this.roots[1]),
      MAIR,
    });
  }

  /** Address of the descriptor for an address at a level. Tables on the way are made. */
  entry(va: bigint, level: number): number {
    let table = this.roots[(va >> 55n) & 1n ? 1 : 0];
    for (let at = 0; ; at++) {
      const entry = table + Number((va >> BigInt(39 - 9 * at)) & 0x1ffn) * 8;
      if (at === level) return entry;
      const descriptor = this.#machine.read64(entry);
      if ((descriptor & TABLE) === TABLE) {
        table = Number(descriptor & 0xffff_ffff_f000n);
      } else {
        table = this.#free;
        this.#free += 0x1000;
        this.#machine.write64(entry, BigInt(table) | TABLE);
      }
    }
  }

  /**
   * Maps one page, or a block of 2 MiB (level 2) or 1 GiB (level 1): AF set, and readable and writable at EL1 only
   * unless the attributes say more.
   */
  map(va: bigint, pa: number, attributes = 0n, level = 3): void {
    this.#machine.write64(this.entry(va, level), BigInt(pa) | AF | (level === 3 ? PAGE : BLOCK) | attributes);
  }

  /** Maps a page in which code runs at its physical address, at both levels. */
  mapCode(gpa: number): void {
    this.map(BigInt(gpa), gpa, READ_ONLY | USER);
  }
}
