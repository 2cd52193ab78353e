/** A guest's memory as its own code sees it, while the guest stands still. */

/** A guest-physical range and the user address that backs it. */
export interface RamSlot {
  readonly gpa: number;
  readonly size: number;
  readonly user: number;
}

/** The registers that say how addresses are translated. */
export interface TranslationRegisters {
  readonly sctlr: bigint;
  readonly tcr: bigint;
  readonly ttbr0: bigint;
  readonly ttbr1: bigint;
}

const PAGE_BITS = 12;
const LEVEL_BITS = 9;
const ADDRESS = 0x0000_ffff_ffff_f000n;

export class GuestMemory {
  readonly #view: DataView;
  readonly #slots: readonly RamSlot[];
  readonly #registers: TranslationRegisters;

  constructor(memory: WebAssembly.Memory, slots: readonly RamSlot[], registers: TranslationRegisters) {
    this.#view = new DataView(memory.buffer);
    this.#slots = slots;
    this.#registers = registers;
  }

  /** 64 bits at a virtual address; undefined where nothing is mapped, or by pages that are not of 4 KiB. */
  read(address: bigint): bigint | undefined {
    const physical = this.#translate(address);
    return physical === undefined ? undefined : this.#readPhysical(physical);
  }

  #readPhysical(address: bigint): bigint | undefined {
    const gpa = Number(address);
    const slot = this.#slots.find((each) => gpa >= each.gpa && gpa + 8 <= each.gpa + each.size);
    return slot && this.#view.getBigUint64(slot.user + (gpa - slot.gpa), true);
  }

  /** The walk of stage 1. Source: Arm DDI 0487, D8.2. */
  #translate(address: bigint): bigint | undefined {
    const { sctlr, tcr, ttbr0, ttbr1 } = this.#registers;
    if ((sctlr & 1n) === 0n) return address;
    const upper = ((address >> 55n) & 1n) !== 0n;
    const granule = (tcr >> (upper ? 30n : 14n)) & 3n;
    if (granule !== (upper ? 2n : 0n)) return undefined;
    const bits = 64 - Number((tcr >> (upper ? 16n : 0n)) & 0x3fn);
    let table = (upper ? ttbr1 : ttbr0) & ADDRESS;
    for (let shift = firstShift(bits); ; shift -= LEVEL_BITS) {
      const width = Math.min(LEVEL_BITS, bits - shift);
      const index = (address >> BigInt(shift)) & ((1n << BigInt(width)) - 1n);
      const entry = this.#readPhysical(table + 8n * index);
      if (entry === undefined || (entry & 1n) === 0n) return undefined;
      const isTable = (entry & 2n) !== 0n;
      if (shift === PAGE_BITS || !isTable) {
        const offset = (1n << BigInt(shift)) - 1n;
        return isTable === (shift === PAGE_BITS)
          ? (entry & ADDRESS & ~offset) | (address & offset)
          : undefined;
      }
      table = entry & ADDRESS;
    }
  }
}

/** The lowest bit of the index into the first table, for so many bits of address. */
const firstShift = (bits: number): number =>
  PAGE_BITS + LEVEL_BITS * (Math.ceil((bits - PAGE_BITS) / LEVEL_BITS) - 1);
