/**
 * What a page walk needs of SCTLR_EL1, TCR_EL1 and TTBRn_EL1, unpacked into words when one of them changes.
 * Source: Arm DDI 0487, D8.2 (translation process) and D24.2.185 (TCR_EL1).
 */
import type { Block } from '../state/block.ts';
import { EL, REGIME, SCTLR_EL1, SP_SLOT, TCR_EL1, TTBR0_EL1, TTBR1_EL1 } from '../state/vcpu-state.ts';

/** u32: SCTLR_EL1.M. */
export const REGIME_MMU = REGIME;
/** u32: SCTLR_EL1.WXN. */
export const REGIME_WXN = REGIME + 0x04;
/** u32: SCTLR_EL1.A. */
export const REGIME_ALIGN = REGIME + 0x08;
/** u32: bits of an output address (TCR_EL1.IPS). */
export const REGIME_OUTPUT_BITS = REGIME + 0x0c;
/** u32: SP is not a multiple of 16. */
export const REGIME_STACK_UNALIGNED = REGIME + 0x10;
/** u32: an access whose base is SP faults: SP is unaligned, and SCTLR_EL1.SA (at EL1) or SA0 (at EL0) is set. */
export const REGIME_STACK_FAULTS = REGIME + 0x14;
/**
 * u32: accesses must be aligned, since SCTLR_EL1.A is set or the MMU is off, where all memory is Device. There are TLB
 * entries, and what hits looks at the alignment of each element.
 */
export const REGIME_ALIGNED = REGIME + 0x18;
/** One record for each half of the address space, that of TTBR0 first. */
export const REGIME_HALVES = REGIME + 0x20;
export const REGIME_HALF_SIZE = 0x20;
/** u64 each: the registers as they were when they were last unpacked. */
const LAST_SCTLR = REGIME + 0x80;
const LAST_TCR = REGIME + 0x88;
const LAST_TTBR0 = REGIME + 0x90;
const LAST_TTBR1 = REGIME + 0x98;
/** u64: address of the first table. */
export const HALF_TABLE = 0x00;
/** u32: bits of an input address, 64 − TnSZ; 0 = every walk faults (EPDn, or a size that this CPU has not). */
export const HALF_INPUT_BITS = 0x08;
/** u32: log2 of the granule: 12, 14 or 16. */
export const HALF_GRANULE = 0x0c;
/** u32: the level of the first table. */
export const HALF_START_LEVEL = 0x10;
/** u32: TCR_EL1.TBIn. */
export const HALF_TOP_BYTE_IGNORED = 0x14;
/** u32: TCR_EL1.E0PDn: EL0 finds nothing here. */
export const HALF_NOT_FOR_EL0 = 0x18;

/** Bits of a physical address, as ID_AA64MMFR0_EL1.PARange says; the limit without translation. */
export const PHYSICAL_BITS = 48;
/** Output sizes by TCR_EL1.IPS, of which none is over {@link PHYSICAL_BITS}. */
const OUTPUT_BITS = [32, 36, 40, 42, 44, 48, 48, 48] as const;
/** log2 of the granule by TG0 and by TG1, which number them differently; reserved values act as 4 KiB. */
const GRANULE_BY_TG0 = [12, 16, 14, 12] as const;
const GRANULE_BY_TG1 = [12, 14, 12, 16] as const;

interface HalfFields {
  readonly size: number; // shift of TnSZ
  readonly walkDisable: number; // shift of EPDn
  readonly granule: number; // shift of TGn
  readonly granules: readonly number[];
  readonly topByteIgnored: number; // shift of TBIn
  readonly notForEl0: number; // shift of E0PDn
  readonly base: number; // offset of TTBRn_EL1
}

const HALVES: readonly HalfFields[] = [
  {
    size: 0,
    walkDisable: 7,
    granule: 14,
    granules: GRANULE_BY_TG0,
    topByteIgnored: 37,
    notForEl0: 55,
    base: TTBR0_EL1,
  },
  {
    size: 16,
    walkDisable: 23,
    granule: 30,
    granules: GRANULE_BY_TG1,
    topByteIgnored: 38,
    notForEl0: 56,
    base: TTBR1_EL1,
  },
];

/** Least and greatest TnSZ without FEAT_LVA and FEAT_TTST; values outside are taken as the nearer one. */
const MIN_SIZE = 16;
const MAX_SIZE = 39;

/** What a change of the registers leaves of the TLB: nothing, the global entries, or all. */
export type RegimeChange = 'regime' | 'address space' | 'none';

/** SCTLR_EL1 bits that translation depends on: M, A, WXN. */
const SCTLR_BITS = 0x8_0003n;
const SA = 1 << 3;
const SA0 = 1 << 4;
/** TTBRn_EL1: the ASID, above the table's address. */
const ASID_SHIFT = 48n;
const TABLE_ADDRESS = 0xffff_ffff_ffffn;

/**
 * Unpacks the registers of a vCPU into its {@link REGIME} words.
 *
 * TTBR0_EL1 and the ASID name an address space: what they reach is non-global (a guest that maps it global must
 * invalidate, Arm DDI 0487, D8.14). Everything else is the regime itself.
 */
export function unpackRegime(vcpu: Block): RegimeChange {
  const replace = (last: number, value: bigint): bigint => {
    const difference = vcpu.get64(last) ^ value;
    vcpu.set64(last, value);
    return difference;
  };
  const regime =
    replace(LAST_SCTLR, vcpu.get64(SCTLR_EL1) & SCTLR_BITS) | replace(LAST_TCR, vcpu.get64(TCR_EL1));
  const lower = replace(LAST_TTBR0, vcpu.get64(TTBR0_EL1));
  const upper = replace(LAST_TTBR1, vcpu.get64(TTBR1_EL1));
  unpackWords(vcpu);
  if (regime !== 0n || BigInt.asUintN(Number(ASID_SHIFT), upper) !== 0n) return 'regime';
  return lower !== 0n || upper !== 0n ? 'address space' : 'none';
}

function unpackWords(vcpu: Block): void {
  const sctlr = Number(vcpu.get64(SCTLR_EL1) & 0xffff_ffffn);
  const tcr = vcpu.get64(TCR_EL1);
  const field = (shift: number, bits: number): number =>
    Number((tcr >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n));
  vcpu.set32(REGIME_MMU, sctlr & 1);
  vcpu.set32(REGIME_ALIGN, (sctlr >>> 1) & 1);
  vcpu.set32(REGIME_ALIGNED, (sctlr & 3) === 1 ? 0 : 1);
  vcpu.set32(REGIME_WXN, (sctlr >>> 19) & 1);
  vcpu.set32(REGIME_OUTPUT_BITS, OUTPUT_BITS[field(32, 3)]!);
  HALVES.forEach((half, index) => {
    const at = REGIME_HALVES + index * REGIME_HALF_SIZE;
    const inputBits = 64 - Math.min(Math.max(field(half.size, 6), MIN_SIZE), MAX_SIZE);
    const granule = half.granules[field(half.granule, 2)]!;
    // Each level resolves granule − 3 bits: its table holds one granule of eight-byte descriptors.
    const levels = Math.ceil((inputBits - granule) / (granule - 3));
    // The first table holds what is left of the input address, and is aligned to its size: 16 bytes at least.
    const tableBits = inputBits - granule - (levels - 1) * (granule - 3) + 3;
    const table = vcpu.get64(half.base) & TABLE_ADDRESS;
    vcpu.set64(at + HALF_TABLE, (table >> BigInt(tableBits)) << BigInt(tableBits));
    vcpu.set32(at + HALF_INPUT_BITS, field(half.walkDisable, 1) === 1 ? 0 : inputBits);
    vcpu.set32(at + HALF_GRANULE, granule);
    vcpu.set32(at + HALF_START_LEVEL, 4 - levels);
    vcpu.set32(at + HALF_TOP_BYTE_IGNORED, field(half.topByteIgnored, 1));
    vcpu.set32(at + HALF_NOT_FOR_EL0, field(half.notForEl0, 1));
  });
}

/**
 * Unpacks what the stack pointer's alignment means now: after a change of it, of EL or of SCTLR_EL1.
 *
 * @returns whether accesses by SP have begun to fault. They fault in the slow path only, so no data entry of the TLB
 *   may be left.
 */
export function unpackStack(vcpu: Block): boolean {
  const unaligned = (vcpu.get32(SP_SLOT) & 15) === 0 ? 0 : 1;
  const checked = (vcpu.get32(SCTLR_EL1) & (vcpu.get32(EL) === 0 ? SA0 : SA)) !== 0;
  const faults = checked ? unaligned : 0;
  const begun = faults > vcpu.get32(REGIME_STACK_FAULTS);
  vcpu.set32(REGIME_STACK_UNALIGNED, unaligned);
  vcpu.set32(REGIME_STACK_FAULTS, faults);
  return begun;
}
